"""The outside world: contact files in."""
