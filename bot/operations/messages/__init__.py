"""The operations with messages between agents."""
