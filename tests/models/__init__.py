"""Slow, plain models of what the compiled code does; tests compare the two."""
