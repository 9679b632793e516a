"""The doors: MCP, REST and the shell, from one table of operations."""
