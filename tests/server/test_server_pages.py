"""The two pages in a real browser, served by a real process."""

import time

import httpx
import pytest

from tests.helpers.browser import NARROW, opened, overflow, serious_findings
from tests.helpers.servers import served


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(1.5)  # longer than the server waits before it works in the background


pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_both_pages_work_in_a_browser(browser, index_copy):
    with served(index_copy, "--rate", "0") as server:
        address, options = server.address, {"permissions": ["clipboard-read", "clipboard-write"]}

        # Write: suggestions come while one types, and a key copies a link.
        with opened(browser, f"{address}/write", address, **options) as page:
            page.keyboard.type("りんごを買う。")
            page.wait_for_selector("#found li", timeout=30_000)
            first = page.text_content("#found li strong")
            page.keyboard.press("Alt+1")
            page.locator("#status", has_text="Copied").wait_for(state="attached")
            assert page.evaluate("navigator.clipboard.readText()") == f"[[{first}]]"
            page.select_option("#format", "scrapbox")
            page.click("#found li:nth-child(2) button")
            page.locator("#status", has_text="Copied: [d").wait_for(state="attached")
            page.fill("#text", "")
            page.wait_for_selector("#found li", state="detached")
            assert page.is_visible("#empty") and not serious_findings(page)
        with opened(browser, f"{address}/write", address, language="ja", size=NARROW, color_scheme="dark") as page:
            page.keyboard.type("電車で話す。")
            page.wait_for_selector("#found li", timeout=30_000)
            assert page.get_attribute("html", "lang") == "ja" and page.title() == "書く"
            assert overflow(page) == 0 and not serious_findings(page)

        # All links: they are computed while nobody asks, and a decision is in the server's file.
        until(lambda: httpx.get(f"{address}/healthz").json()["suggested"] == 144)
        with opened(browser, f"{address}/", address) as page:
            page.wait_for_selector("article", timeout=60_000)
            page.keyboard.press("j")
            page.keyboard.press("a")
            until(lambda: '"decision": "accept"' in httpx.get(f"{address}/decisions").text)
