"""Whether a restore is allowed, whether it can work, and whether there is room for it."""
