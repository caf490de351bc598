"""The report and the comparison in a real browser: at both widths, in both colour schemes, and by keyboard."""

import re
from pathlib import Path

import pytest

from keras_negaposi import reporting
from keras_negaposi.evaluate import main as evaluate
from tests.helpers.browser import NARROW, WIDE, opened, overflow, serious_findings
from tests.helpers.runs import HYBRID, QUICK

SMALLEST_TEXT = """() => {
  document.querySelectorAll("details").forEach((details) => (details.open = true));
  const hasText = (each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  const shown = [...document.querySelectorAll("body *")].filter((e) => hasText(e) && e.getClientRects().length);
  return Math.min(...shown.map((each) => {
    const matrix = each instanceof SVGElement ? each.getScreenCTM() : null;
    return parseFloat(getComputedStyle(each).fontSize) * (matrix ? Math.hypot(matrix.a, matrix.b) : 1);
  }));
}"""
"""The size of the smallest text in pixels on the screen, all sections open."""


@pytest.fixture(scope="module")
def pages(finished_run, tmp_path_factory):
    """Addresses of the reports of a hybrid run and of one with ranking, and of the comparison of both."""
    folder = tmp_path_factory.mktemp("pages")
    for name, options in (("hybrid", HYBRID), ("quick", QUICK)):
        finished_run(folder / name, **options)
    runs = [str(folder / "hybrid"), str(folder / "quick")]
    assert evaluate([*runs, f"--compare={folder}/comparison.html"]) == 0
    paths = {"hybrid": "hybrid/report.html", "quick": "quick/report.html", "comparison": "comparison.html"}
    return {name: (folder / path).as_uri() for name, path in paths.items()}


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["hybrid", "quick", "comparison"])
def test_a_page_is_legible(browser, pages, name, scheme):
    with opened(browser, pages[name], color_scheme=scheme) as page:
        for size in (WIDE, NARROW):
            page.set_viewport_size(size)
            assert overflow(page) == 0
            assert page.evaluate(SMALLEST_TEXT) >= 11
            assert overflow(page) == 0  # all sections are open now
        assert not serious_findings(page)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", ground))) > 600) == (scheme == "light")


@pytest.mark.browser
@pytest.mark.parametrize("name", ["hybrid", "comparison"])
def test_every_link_of_the_contents_opens_its_section(browser, pages, name):
    with opened(browser, pages[name], size=NARROW) as page:
        links = page.locator("nav a")
        assert links.count() > 2
        for link in links.all():
            target = page.locator(link.get_attribute("href"))
            link.click()
            target.wait_for(state="visible")
            assert target.bounding_box()["y"] < NARROW["height"] and page.url.endswith(link.get_attribute("href"))


@pytest.mark.browser
def test_sections_fold_by_keyboard(browser, pages):
    with opened(browser, pages["hybrid"]) as page:
        section = page.locator("details.section", has=page.locator("#metrics"))
        page.locator("nav a").last.focus()
        for _ in range(200):
            page.keyboard.press("Tab")
            if section.locator("> summary").evaluate("element => element === document.activeElement"):
                break
        assert not page.locator("#metrics").is_visible()
        page.keyboard.press("Enter")
        assert page.locator("#metrics").is_visible()
        page.keyboard.press("Enter")
        assert not page.locator("#metrics").is_visible()


def test_colours_have_enough_contrast():
    """WCAG's AA, 4.5:1, of every colour of text and marks on the page and on cards; axe does not look into SVG."""
    css = (Path(reporting.__file__).parent / "report.css").read_text()
    light, dark = (dict(re.findall(r"--(\w+): (#\w+)", part)) for part in css.split("@media", 2)[:2])
    assert light.keys() == dark.keys() >= {"page", "card", "ink", "muted", "run", "other"}
    for colours in (light, dark):
        for name in colours.keys() - {"page", "card", "line"}:
            for ground in ("page", "card"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)


def contrast(one, other):
    """WCAG's contrast ratio of two colours."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour):
    """WCAG's relative luminance of ``#rgb`` or ``#rrggbb``."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    channels = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
