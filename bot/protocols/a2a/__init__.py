"""A2A 1.0: requests, tasks, updates and cards as values, without a socket or a database."""
