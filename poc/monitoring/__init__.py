"""How the whole is doing: every metric, the state of the online store, Prometheus and Grafana over them."""
