"""A deterministic contact centre of a fictional retail bank, with a known truth."""
