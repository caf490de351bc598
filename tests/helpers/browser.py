"""A real browser for tests of pages: Chromium, which fails a test on console errors and on requests to the network.

A test has the marker ``browser`` and takes the fixture ``browser`` of conftest.py; `opened` gives it a page.
"""

import contextlib
import importlib.util
import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = ("playwright", "axe_playwright_python")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
LOCAL = ("file:", "data:", "blob:", "about:")
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
"""A desktop's window, and a telephone's."""
SERIOUS = ("serious", "critical")


def chromium():
    """The path of Chromium, which is not part of the extra ``test``; ``None`` where there is none."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def missing():
    """What the tests with the marker ``browser`` lack here; empty if nothing."""
    absent = [name for name in PACKAGES if not importlib.util.find_spec(name)]
    return ", ".join([*absent, *([] if chromium() else ["Chromium (Debian: apt install chromium)"])])


@contextlib.contextmanager
def started():
    """Yields a running Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser, address, origin=None, language="en", size=WIDE, html=None, **options):
    """Yields a page with an address open; afterwards, fails if there was a console error or an external request.

    Args:
        browser: of `started`, or the fixture.
        address: a ``file:`` or ``http:`` address.
        origin: ``http://host:port`` of a server that the page may ask; ``None`` for a file.
        language: of the browser.
        size: of the window.
        html: what the address answers, if it is no real one; no request for it leaves the browser.
        options: more options of the browser's context, such as ``color_scheme="dark"``.
    """
    problems = []
    context = browser.new_context(viewport=size, locale=language, **options)
    with contextlib.closing(context):
        page = context.new_page()

        def requested(request):
            if html is not None and request.url == address:
                return
            if not request.url.startswith((*LOCAL, *([f"{origin}/"] if origin else []))):
                problems.append(f"asked for {request.url}")

        page.on("request", requested)
        page.on("console", lambda message: message.type == "error" and problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        if html is not None:
            page.route(address, lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"))
        page.goto(address)
        yield page
    assert not problems, problems


def serious_findings(page):
    """What axe-core finds that is serious or critical: rule, and the elements."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return {rule["id"]: [node["html"] for node in rule["nodes"]] for rule in found if rule["impact"] in SERIOUS}


def overflow(page):
    """By how many pixels a page can be scrolled sideways."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
