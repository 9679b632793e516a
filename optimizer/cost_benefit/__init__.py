"""Choosing among options: MCP servers, routes, validation strategies."""
