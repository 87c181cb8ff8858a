"""What `scripts/demo` runs: real processes, driven by the commands a user would type."""
