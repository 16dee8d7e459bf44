"""The vocabulary, the rules and the arithmetic: plain Python, standard library only."""
