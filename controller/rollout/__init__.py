"""Plans and steps of rollouts, and group queries. Pure."""
