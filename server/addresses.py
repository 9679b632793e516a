"""Addresses that we bind to, and how clients name them."""

import ipaddress

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


def is_loopback(host: str) -> bool:
    """Whether an address to bind to can only be reached from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def without_port(host: str) -> str:
    """`localhost` of `localhost:8000`, `[::1]` of `[::1]:8000`."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def base_url(host: str, port: int, *, scheme: str = "http") -> str:
    """Where a client on this machine finds a server that was bound to `host`."""
    name = f"[{host}]" if ":" in host else host
    reachable = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(without_port(name), name)
    return f"{scheme}://{reachable}:{port}"
