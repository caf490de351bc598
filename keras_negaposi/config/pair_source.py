"""Where labelled pairs come from: two JSON files, or one table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from checkpoints_tools.common.cli import option, path_option, required_path
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.flag_values import Check
from checkpoints_tools.common.options import Needs
from keras_negaposi.config.headings import DATA

JSON_FILES = ("honbun", "negaposi")
"""Options that name the two JSON files."""
TABLE = "pairs"
"""The option that names the table in place of them."""
COLUMNS = "columns"
"""The option that names the table's columns."""
PAIR_SOURCES = (*JSON_FILES, TABLE)


def column_names(columns: str | None) -> tuple[str, ...]:
    """Returns the names in a value of ``--columns``; empty without one."""
    return tuple(name.strip() for name in columns.split(",")) if columns else ()


def has_columns(*kinds: str) -> Check:
    """Returns a check that ``--columns`` names as many columns as one of ``kinds``, which look like its values."""

    def problem(columns: str) -> str | None:
        names = [name.casefold() for name in column_names(columns)]
        if len(names) not in [kind.count(",") + 1 for kind in kinds]:
            return f"must name the columns in this order, separated by commas: {' or '.join(kinds)}"
        if not all(names) or len({*names}) < len(names):
            return "has an empty name, or one name twice; name a different column each time"
        return None

    return problem


@dataclasses.dataclass(frozen=True)
class PairSource:
    """The user's labelled pairs: two JSON files, or a table in place of both."""

    honbun: str = required_path("JSON object title -> text (honbun_data.json)", heading=DATA)
    negaposi: str = required_path("JSON labelled pairs of titles (negaposi.json)", heading=DATA)
    pairs: str | None = path_option(
        None,
        "in place of --honbun and --negaposi: table of labelled pairs (CSV, TSV, JSON lines, or Parquet with the extra "
        "parquet) with the columns text_a, text_b, label (1 or 0) and, if there are documents, group",
        heading=DATA,
        needs=Needs(
            lambda c: not c.honbun and not c.negaposi,
            "has an effect in place of --honbun and --negaposi only, not together with them",
        ),
    )
    columns: str | None = option(
        None,
        "your names of these columns, in that order: TEXT_A,TEXT_B,LABEL or TEXT_A,TEXT_B,LABEL,GROUP",
        check=has_columns("TEXT_A,TEXT_B,LABEL", "TEXT_A,TEXT_B,LABEL,GROUP"),
        heading=DATA,
        needs=Needs(lambda c: c.pairs, "has an effect with --pairs only"),
    )


def check_pairs_given(values: Mapping[str, object]) -> None:
    """Rejects options without labelled pairs.

    Raises:
        InputError: names the flag.
    """
    missing = [name for name in JSON_FILES if values.get(name) is None]
    if missing and values.get(TABLE) is None:
        raise InputError(f"--{missing[0]} is missing; give its path, or a table of labelled pairs as --pairs")
