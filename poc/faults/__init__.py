"""What a lost node does to a cluster under load: kill one, freeze one, count what failed."""
