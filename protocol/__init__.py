"""What every party of the fleet agrees on: formats, rules of trust, names. Pure; does no I/O."""
