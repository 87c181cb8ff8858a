"""One process for each model; this package is imported by both ends, so it stays light."""
