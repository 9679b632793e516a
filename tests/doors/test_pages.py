"""The pages for people work offline: nothing is loaded from elsewhere, no script stands in them."""

import json
import re

import httpx
import pytest

from server.page import STATIC
from server.rest import API

PAGES = ("/", "/docs")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_loads_only_what_is_served_here(path: str, client: httpx.AsyncClient) -> None:
    page = await client.get(path)
    linked = re.findall(r'(?:src|href)="([^"]+)"', page.text)

    assert page.headers["content-type"].startswith("text/html")
    assert linked
    assert all(link.startswith("/") for link in linked)
    for link in linked:
        assert (await client.get(link)).status_code == 200, link


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_needs_nothing_that_its_policy_forbids(
    path: str, client: httpx.AsyncClient
) -> None:
    page = (await client.get(path)).text

    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"\bstyle=|<style|\bon\w+=", page)


async def test_the_start_page_links_health_docs_and_mcp(client: httpx.AsyncClient) -> None:
    page = (await client.get("/")).text

    assert f"{API}/health" in page
    assert 'href="/docs"' in page
    assert "/mcp" in page


def test_swagger_ui_is_here_with_its_licence() -> None:
    folder = STATIC / "swagger-ui"

    assert "Apache License" in (folder / "LICENSE").read_text()
    assert (folder / "NOTICE").is_file()
    assert (folder / "swagger-ui-bundle.js").stat().st_size > 10**6


@pytest.mark.parametrize("path", ["/static/../operations.py", "/static/%2e%2e/app.py", "/static/"])
async def test_no_other_file_is_served(path: str, client: httpx.AsyncClient) -> None:
    assert (await client.get(path)).status_code == 404


async def test_the_description_is_openapi_3_1_of_every_operation(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()

    assert document["openapi"].startswith("3.1")
    assert f"{API}/optimize" in document["paths"]
    assert '"$ref": "#/$defs' not in json.dumps(document)
