"""HTML pages that contain texts of other people: Jinja2 templates with autoescape.

Nothing in a text can become markup, and no invisible character in it can reorder or hide the text around it. Jinja2 and
MarkupSafe do only the first, so `visible` does the second.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator

import jinja2
from markupsafe import Markup


def render(package: str, template: str, **values: object) -> str:
    """Returns a template of a package, filled in.

    Strings are escaped and made `visible`, except `markupsafe.Markup`. In a ``<script type="application/json">``, write
    ``{{ value|tojson }}``; the strings in ``value`` are not made `visible`.

    Args:
        package: the package whose folder contains the template, such as ``keras_negaposi.evaluation``.
        template: the template's file name.
        values: the template's variables.

    Raises:
        jinja2.UndefinedError: the template uses a variable that is not in ``values``.
    """
    return _environment(package).get_template(template).render(values)


def stream(package: str, template: str, **values: object) -> Iterator[str]:
    """Yields a template piece by piece; a value may be an iterator of pieces that are not all in memory.

    Args, Raises:
        As `render`.
    """
    return _environment(package).get_template(template).generate(values)


def visible(text: str) -> str:
    """Returns the text with control and format characters written as ``[U+202E]``; line breaks and tabs stay."""
    return "".join(
        f"[U+{ord(c):04X}]" if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t" else c for c in text
    )


@functools.cache
def _environment(package: str) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_finalized,
    )
    # By default, Jinja2 sorts the keys and escapes Japanese text.
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "separators": (",", ":")}
    return environment


def _finalized(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
