"""Every MCP client that we are: connections with deadlines."""
