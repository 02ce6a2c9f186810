"""The audit log: its rows, and the seals that cover them."""
