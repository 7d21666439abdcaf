"""What the pieces cost: materialization, serving, scoring, the registry; and the page that says so."""
