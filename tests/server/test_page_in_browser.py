"""The start page as a person sees it: opened in a real browser, beside a real server."""

import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.serving import serving

BROWSER_S = 300
SETTLED_MS = 5000
"""Of the page's own time, which the browser lets pass as fast as the answers come."""


@pytest.fixture
def browser() -> str:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no browser on this machine: apt-get install chromium")
    return found


def opened(browser: str, url: str, profile: Path) -> tuple[str, str]:
    """The page as text after its scripts have run, and what the browser said meanwhile."""
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        f"--user-data-dir={profile}",
        f"--virtual-time-budget={SETTLED_MS}",
        "--dump-dom",
        url,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BROWSER_S, check=True)
    return re.sub(r"<[^>]+>", " ", done.stdout), done.stderr


def test_it_shows_the_machine_its_leases_and_decisions(browser: str, tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    lease = {"resources": {"memory": "64 MiB"}, "purpose": "<b>index</b> the repository"}
    with serving(tmp_path) as address:
        before, _ = opened(browser, address, profile)
        httpx.post(f"{address}/api/v1/allocate", json=lease, timeout=300).raise_for_status()
        decided = (
            httpx.post(f"{address}/api/v1/optimize", json={}, timeout=300).raise_for_status().json()
        )
        seen, said = opened(browser, address, profile)

    assert "Nobody holds a lease. An agent calls allocate before heavy work." in before
    assert "None yet. An agent calls optimize_resources." in before
    assert re.search(r"(healthy|degraded|critical) · CPU \d+ % · memory \d+ %", seen)
    assert re.search(r"memory\s+[\d.]+ GiB free of [\d.]+ GiB", seen)
    assert "&lt;b&gt;index&lt;/b&gt; the repository" in seen
    assert re.search(r"Holds memory 64.00 MiB\. Ends in 1\d min unless renewed\.", seen)
    assert "No forecast: 0 hours of history recorded" in seen
    assert decided["summary"].replace(">", "&gt;") in seen
    assert f"{address}/mcp" in seen
    assert "CONSOLE" not in said
