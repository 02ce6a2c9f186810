"""A2A 1.0 on the server's port: the cards, and the methods by JSON-RPC and server-sent events."""
