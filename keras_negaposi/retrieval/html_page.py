"""Writes suggestions as one self-contained HTML page: searchable, with the texts of each pair next to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keras_negaposi.retrieval.search import Suggestion
from keras_negaposi.runtime.html import render, visible


def render_page(
    texts: Mapping[str, str],
    suggested: Mapping[str, Sequence[Suggestion]],
    links: set[tuple[str, str]],
    warning: str = "",
    note: str = "",
) -> str:
    """Returns the HTML page.

    Args:
        texts: by title, of all titles that occur.
        suggested: suggestions by the title of A.
        links: (a, b) where B is known to come next after A; these pairs are marked.
        warning: shown above the suggestions, if it is not empty.
        note: the same.
    """
    # The pages that have suggestions come first, so that both lists have the same positions.
    titles = dict.fromkeys(suggested)
    titles |= dict.fromkeys(suggestion.title for suggestions in suggested.values() for suggestion in suggestions)
    number = {title: position for position, title in enumerate(titles)}
    data = {
        "pages": [[visible(title), visible(texts[title])] for title in titles],
        "suggestions": [
            [[number[s.title], round(s.score, 3), int((title, s.title) in links)] for s in suggestions]
            for title, suggestions in suggested.items()
        ],
    }
    count = f"{len(suggested):,}"
    return render("keras_negaposi.retrieval", "page.html", count=count, data=data, warning=warning, note=note)
