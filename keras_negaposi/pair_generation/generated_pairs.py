"""The generated pairs with their texts, and the files that they are written to."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from checkpoints_tools.common.files import write_json, write_text
from keras_negaposi.data.pairs import Pair
from keras_negaposi.pair_generation.page_store import PageStore
from keras_negaposi.pair_generation.positives import Candidate
from keras_negaposi.readers.note_files import write_exceptions

HONBUN, NEGAPOSI, PAGES, LINKS, README = "honbun_data.json", "negaposi.json", "pages.json", "links.json", "README.md"


@dataclasses.dataclass(frozen=True)
class GeneratedPairs:
    """Labelled pairs, and the texts that their titles name.

    Attributes:
        pairs: shuffled, or in the order of the labelled rows.
        texts: of the pages, or of the labelled rows.
        summary: sentences on how the pairs were chosen.
        masked: by title, the candidates whose A is a copy of a page with masked links.
        links: titles of all candidates for positive pairs; ``None`` for labelled rows.
        note_files: by document, the file names that do not follow from the document's title.
    """

    pairs: list[Pair]
    texts: PageStore
    summary: list[str]
    masked: Mapping[str, Candidate] = dataclasses.field(default_factory=dict)
    links: Sequence[tuple[str, str]] | None = None
    note_files: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def text(self, title: str) -> str:
        """Returns a text by its title, with masked links if it is a masked copy."""
        candidate = self.masked.get(title)
        return candidate.a_text(self.texts[candidate.a]) if candidate else self.texts[title]

    def write(self, folder: str) -> None:
        """Writes the texts and the pairs and, if they come from pages, their links and file names."""
        _write_texts(os.path.join(folder, HONBUN), self._rows())
        write_json(os.path.join(folder, NEGAPOSI), [[pair.a, pair.b, pair.label] for pair in self.pairs])
        if self.masked:
            _write_texts(os.path.join(folder, PAGES), self.texts.rows())
        if self.links is not None:
            write_exceptions(folder, self.note_files)
            write_json(os.path.join(folder, LINKS), {"posi": [[a, b] for a, b in self.links], "nega": []})

    def _rows(self) -> Iterator[tuple[str, str]]:
        """Yields the title and text of all pages, then of all masked copies."""
        yield from self.texts.rows()
        for title in self.masked:
            yield title, self.text(title)


def write_readme(folder: str, source: str, command: str, paragraphs: Iterable[str]) -> None:
    """Writes a README on how the pairs were generated, in these paragraphs."""
    write_text(os.path.join(folder, README), "\n\n".join([f"# Pairs from {source}", f"`{command}`", *paragraphs, ""]))


def _write_texts(path: str, rows: Iterable[tuple[str, str]]) -> None:
    """Writes a JSON object with one entry a line; holds only one entry in memory."""
    with open(path, "w", encoding="utf-8") as file:
        file.write("{")
        for number, (title, text) in enumerate(rows):
            file.write(",\n" if number else "\n")
            file.write(f" {json.dumps(title, ensure_ascii=False)}: {json.dumps(text, ensure_ascii=False)}")
        file.write("\n}\n")
