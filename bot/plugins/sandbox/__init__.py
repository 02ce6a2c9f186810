"""Runs code that nobody here vouches for: it can do nothing but compute and call its host."""
