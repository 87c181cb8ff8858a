"""`fleet status --watch`: the status page, live, and what lies behind each of its lines."""
