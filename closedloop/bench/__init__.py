"""Proofs anyone can run: seeded, with a named peer in the same run, as a table and as JSON."""
