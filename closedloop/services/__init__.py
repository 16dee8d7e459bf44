"""Verbs: one function, one change, one audit event. A service takes a session and an actor."""
