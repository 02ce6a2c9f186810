"""The operations with agents."""
