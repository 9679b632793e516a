"""For cron or a container's health check: python examples/health_check.py [URL].

Exit code 0: healthy; 1: degraded or critical, with what to do; 2: no answer.
"""

import sys

import httpx


def main(url: str = "http://localhost:8000") -> int:
    """Ask the one route that needs no token."""
    try:
        health = httpx.get(f"{url}/health", timeout=5).raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        print(f"no answer from {url}: {error}", file=sys.stderr)
        return 2
    print(f"{health['status']}: cpu {health['cpu_usage']} %, memory {health['memory_usage']} %")
    for word in (*health["issues"], *health["warnings"]):
        print(health.get("details", {}).get(word, word))
    return 0 if health["status"] == "healthy" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
