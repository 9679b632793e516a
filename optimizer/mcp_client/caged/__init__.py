"""The program in the cage: a small MCP client that meets servers nobody trusts yet.

Standard library only, so a cage takes 20 MB, and never more than 150, whatever is sent. It is
started by `optimizer.mcp_client.cage`, reads one job from stdin and writes one report to stdout.
"""
