"""Suggestions as one self-contained page: every page with what to link it to, searchable, the texts side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from string import Template

from keras_negaposi.retrieval.search import Suggestion
from keras_negaposi.runtime.html import script_json, visible


def render_page(
    texts: Mapping[str, str], found: Mapping[str, Sequence[Suggestion]], links: set[tuple[str, str]]
) -> str:
    """The page, as HTML.

    Args:
        texts: of all titles that occur.
        found: suggestions by the title that they are for.
        links: (a, b) where B is known to come next after A; marked.
    """
    titles = dict.fromkeys(found)
    titles |= dict.fromkeys(suggestion.title for suggestions in found.values() for suggestion in suggestions)
    number = {title: position for position, title in enumerate(titles)}
    data = {
        "pages": [[visible(title), visible(texts[title])] for title in titles],
        "found": [
            [[number[s.title], round(s.score, 3), int((title, s.title) in links)] for s in suggestions]
            for title, suggestions in found.items()
        ],
    }
    template = Template(resources.files("keras_negaposi.retrieval").joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(count=f"{len(found):,}", data=script_json(data))
