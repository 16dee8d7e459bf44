"""The clock door: what runs without a person."""
