"""MCP servers as things in the world: who they are, and what calling them did."""
