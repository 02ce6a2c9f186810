"""The client's side of MCP: connections to the servers of others, whose tools agents call."""
