"""From a source to the two files that training reads."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import is_remote, list_folder, staged_folder, write_json, write_text
from keras_negaposi.config import PairsConfig
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.hard_negatives import similar_documents
from keras_negaposi.data.negative_sampling import Near, same_texts_as, sample_balanced
from keras_negaposi.data.pairs import Pair, parse_label
from keras_negaposi.pair_generation.label_leak_check import leaks, tell_leaks
from keras_negaposi.pair_generation.mined_negatives import mined_pages
from keras_negaposi.pair_generation.page_store import FIX, PageStore, temporary_store
from keras_negaposi.pair_generation.pages import PageFilter, Pages
from keras_negaposi.pair_generation.positives import Candidate, match_once
from keras_negaposi.readers import READERS, detect, tell_files
from keras_negaposi.readers.note_files import write_exceptions
from keras_negaposi.readers.table import is_of_pairs, read_rows

HONBUN, NEGAPOSI, PAGES, LINKS, NOTES = "honbun_data.json", "negaposi.json", "pages.json", "links.json", "README.md"


@dataclasses.dataclass(frozen=True)
class GeneratedPairs:
    """The pairs, the titles of their masked texts, and lines on how they were drawn."""

    pairs: list[Pair]
    masked: dict[str, Candidate]
    notes: list[str]


def make_pairs(source: str, config: PairsConfig, command: str = "") -> list[Pair]:
    """Reads a source, draws pairs and writes them to ``config.output``.

    Args:
        source: file or folder.
        config: complete.
        command: the command line, kept with the pairs.

    Raises:
        InputError: something cannot be read, or makes no pairs; nothing has been written then.
    """
    if is_remote(config.output):
        raise InputError(f"--output {config.output}: must be a local folder; copy the files afterwards")
    if list_folder(config.output):
        raise InputError(f"--output {config.output}: has files in it; give a new folder")
    kind = detect(source) if config.format == "auto" else config.format
    files = tell_files(source, kind)
    say(files)
    with temporary_store() as texts, staged_folder(config.output) as folder:
        labelled = kind == "table" and is_of_pairs(source)
        made = _labelled(source, texts) if labelled else _drawn(source, kind, texts, config, folder)
        _write_texts(os.path.join(folder, HONBUN), _all_texts(texts, made))
        write_json(os.path.join(folder, NEGAPOSI), [[pair.a, pair.b, pair.label] for pair in made.pairs])
        found = leaks(made.pairs, lambda title: _text(texts, made, title), config.group_pattern, config.seed)
        notes = [*made.notes, *tell_leaks(found)]
        write_text(
            os.path.join(folder, NOTES), "\n\n".join([f"# Pairs of {source}", f"`{command}`", files, *notes, ""])
        )
    say("\n".join(notes))
    return made.pairs


def text_title(text: str) -> str:
    """The title of a text that has none: 128 bits of its SHA-256, so that no two texts have the same."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _labelled(source: str, texts: PageStore) -> GeneratedPairs:
    """Pairs that have labels already; a text's title is `text_title`."""
    labels: dict[tuple[str, str], int] = {}
    repeated = 0
    for place, row in read_rows(source):
        titles = []
        for name in ("text_a", "text_b"):
            text = str(row[name])
            title = text_title(text)
            known = texts.get(title)
            if known is None:
                texts.add(title, text)
            elif known != text:
                raise InputError(f"{place}: {name} has the title {title}, which is another text's above; change it")
            titles.append(title)
        label = parse_label(row["label"], place)
        pair = (titles[0], titles[1])
        repeated += pair in labels
        if labels.setdefault(pair, label) != label:
            raise InputError(f"{place}: the same two texts have the other label above; keep one")
    return GeneratedPairs(
        [Pair(a, b, label) for (a, b), label in labels.items()],
        {},
        [f"{len(labels):,} labelled pairs of {len(texts):,} texts; {repeated:,} repeated ones dropped."],
    )


def _drawn(source: str, kind: str, texts: PageStore, config: PairsConfig, folder: str) -> GeneratedPairs:
    """Pairs drawn of a source's pages."""
    pages = Pages(texts, PageFilter(config.min_length, config.min_japanese, config.keep_duplicates))
    document = Documents(config.group_pattern)
    try:
        pages.read(READERS[kind](source, document), config.length, _measure(config))
    except InputError as error:
        named = source in str(error) or FIX in str(error)
        raise InputError(str(error) if named else f"{source}: {error}") from None
    links = pages.linked()
    candidates = {"next": pages.next, "link": links, "both": [*pages.next, *links]}[config.positive]
    chosen = {c.a: c for c in match_once(candidates, config.seed)}
    same_texts = same_texts_as([(c.a, c.b) for c in candidates], texts) if config.keep_duplicates else None
    linked = {(pages.document(c.a), pages.document(c.b)) for c in links}

    def allowed(a: str, b: str) -> bool:
        ends = pages.document(a), pages.document(b)
        if ends[0] == ends[1] or ends in linked or ends[::-1] in linked:
            return False
        return same_texts is None or not same_texts(a, b)

    positives, negatives = sample_balanced(
        [(c.a, c.b) for c in chosen.values()],
        config.count,
        allowed,
        *_near(config, pages),
        config.hard_share,
        config.seed,
    )
    if not negatives:
        raise InputError(
            f"{source}: makes no pair of each class with --positive {config.positive}; give more documents, shorter "
            "pages (--length) or another --positive. " + " ".join(_counts(pages, candidates, config))
        )
    ends = [(chosen[a], b, 1) for a, b in positives] + [(chosen[a], b, 0) for a, b in negatives]
    ends = [ends[i] for i in np.random.default_rng(config.seed).permutation(len(ends))]
    pairs = [Pair(c.a_title, b, label) for c, b, label in ends]
    masked = {c.a_title: c for c, _, _ in ends if c.hidden}
    if masked:
        _write_texts(os.path.join(folder, PAGES), texts.rows())
    write_exceptions(folder, pages.files)
    write_json(os.path.join(folder, LINKS), {"posi": [[c.a, c.b] for c in candidates], "nega": []})
    return GeneratedPairs(pairs, masked, _notes(pages, candidates, pairs, masked, config))


def _near(config: PairsConfig, pages: Pages) -> tuple[Near, Callable[[str], str]]:
    """Where likely wrong answers are looked for, and the pool that a B is in then."""
    if config.negative == "mined":
        return mined_pages(config.index, pages.texts.__getitem__), str
    if config.negative == "hard":
        return similar_documents(pages.texts, pages.document), pages.document
    return (lambda _, __: {}), pages.document


def _measure(config: PairsConfig) -> Callable[[str], int]:
    """Length of a text in ``config.unit``."""
    if config.unit == "characters":
        return len
    import sentencepiece

    try:
        pieces = sentencepiece.SentencePieceProcessor(model_file=config.model_file)
    except (OSError, RuntimeError):
        raise InputError(f"--model_file {config.model_file}: not a SentencePiece model; give a .model file") from None
    return lambda text: len(pieces.encode(text))


def _counts(pages: Pages, candidates: Sequence[Candidate], config: PairsConfig) -> list[str]:
    """How much there is, and what was left out."""
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in sorted(pages.dropped.items())) or "none"
    links = sum(bool(candidate.hidden) for candidate in candidates)
    lines = [
        f"{len(pages.texts):,} pages of {pages.documents:,} documents; pages dropped: {dropped}.",
        f"Possible positives: {len(candidates) - links:,} next pages, {links:,} links"
        + (f"; {_lost_links(pages)}" if config.positive != "next" else "")
        + ".",
    ]
    left_out = pages.adjacency.describe()
    return [*lines, f"{left_out}."] if left_out and config.positive != "link" else lines


def _notes(
    pages: Pages,
    candidates: Sequence[Candidate],
    pairs: Sequence[Pair],
    masked: dict[str, Candidate],
    config: PairsConfig,
) -> list[str]:
    share = f", {config.hard_share:.0%} of them" if config.negative != "random" else ""
    lines = [
        *_counts(pages, candidates, config),
        f"{len(pairs):,} pairs drawn, half of them positive (seed {config.seed}). A page is A at most once and B at "
        "most once. Half of the possible A are positives with their B; the other B are negatives, each with another "
        f"document's A (--negative {config.negative}{share}).",
    ]
    if masked:
        lines.append(
            f"In {len(masked):,} A the link is masked; these texts stand beside the pages in {HONBUN}. {PAGES} has the "
            "pages alone: make the index of it."
        )
    return lines


def _lost_links(pages: Pages) -> str:
    targets = pages.targets
    lost = f"links left out: {targets.dangling:,} to no document, {targets.ambiguous:,} to one of several"
    near = f"; {targets.nearest:,} links lead to the nearest of several notes of that name"
    return lost + (near if targets.nearest else "")


def _text(texts: PageStore, made: GeneratedPairs, title: str) -> str:
    candidate = made.masked.get(title)
    return candidate.a_text(texts[candidate.a]) if candidate else texts[title]


def _all_texts(texts: PageStore, made: GeneratedPairs) -> Iterator[tuple[str, str]]:
    yield from texts.rows()
    for title in made.masked:
        yield title, _text(texts, made, title)


def _write_texts(path: str, rows: Iterable[tuple[str, str]]) -> None:
    """Writes a JSON object, a line an entry, holding one in memory."""
    with open(path, "w", encoding="utf-8") as file:
        file.write("{")
        for number, (title, text) in enumerate(rows):
            file.write(",\n" if number else "\n")
            file.write(f" {json.dumps(title, ensure_ascii=False)}: {json.dumps(text, ensure_ascii=False)}")
        file.write("\n}\n")
