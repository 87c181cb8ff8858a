"""How a device moves from the release it runs to the one it should run."""
