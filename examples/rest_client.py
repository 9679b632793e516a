"""Reserve, work, give back, over REST: python examples/rest_client.py [URL]."""

import os
import sys

import httpx


def main(url: str = "http://localhost:8000") -> None:
    """Look before heavy work, hold a lease while it runs, and release it."""
    token = os.environ.get("API_TOKEN", "")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=60) as sro:
        health = sro.get("/health").raise_for_status().json()
        print(f"{health['status']}: cpu {health['cpu_usage']} %, memory {health['memory_usage']} %")

        wanted = {"resources": {"memory": "256 MiB"}, "purpose": "build", "ttl_s": 600}
        answer = sro.post("/allocate", json=wanted)
        lease = answer.json()
        if answer.status_code == 409:  # no room is an answer, not an error: it says what fits
            print(lease["summary"], lease["next"], sep="\n")
            return
        answer.raise_for_status()
        print(lease["summary"])

        released = sro.delete(f"/allocations/{lease['allocation_id']}").raise_for_status().json()
        print(f"lease {released['state']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
