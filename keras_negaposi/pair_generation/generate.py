"""Generates labelled pairs from a source: read, choose, mask, check for label leaks, write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import is_remote, list_folder, staged_folder
from keras_negaposi.config import PairsConfig
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.hard_negatives import similar_documents
from keras_negaposi.data.negative_sampling import Allowed, Near, same_texts_as, sample_balanced
from keras_negaposi.data.pairs import Pair
from keras_negaposi.pair_generation.decided_pairs import add_decided
from keras_negaposi.pair_generation.generated_pairs import GeneratedPairs, write_readme
from keras_negaposi.pair_generation.label_leak_check import describe_leaks, measure_leaks
from keras_negaposi.pair_generation.labelled_rows import read_labelled_pairs
from keras_negaposi.pair_generation.mined_negatives import mined_pages
from keras_negaposi.pair_generation.page_store import FIX, PageStore, temporary_store
from keras_negaposi.pair_generation.pages import PageFilter, Pages
from keras_negaposi.pair_generation.positives import Candidate, match_once
from keras_negaposi.pair_generation.summary import describe_pages, describe_pairs
from keras_negaposi.readers import READERS, detect, tell_files
from keras_negaposi.readers.table import is_of_pairs


def make_pairs(source: str, config: PairsConfig, command: str = "") -> list[Pair]:
    """Reads a source, chooses pairs and writes them to ``config.output``.

    Args:
        source: file or folder.
        config: complete.
        command: the command line, saved with the pairs.

    Raises:
        InputError: the source cannot be read, or gives no pairs; nothing has been written.
    """
    # 1. Check the output folder, and find out what the source is.
    _check_output(config.output)
    kind = detect(source) if config.format == "auto" else config.format
    files = tell_files(source, kind)
    say(files)
    with temporary_store() as texts, staged_folder(config.output) as folder:
        # 2. Read the pages and choose pairs from them, or read the pairs, if they have labels already; add decisions.
        if kind == "table" and is_of_pairs(source):
            generated = read_labelled_pairs(source, texts)
        else:
            generated = _choose_pairs(source, _read_pages(source, kind, texts, config), config)
        if config.decisions:
            generated = add_decided(generated, config.decisions)
        # 3. Check whether one side gives away the label.
        leaks = measure_leaks(generated.pairs, generated.text, config.group_pattern, config.seed)
        # 4. Write the texts, the pairs and the README.
        summary = [*generated.summary, *describe_leaks(leaks)]
        generated.write(folder)
        write_readme(folder, source, command, [files, *summary])
    say("\n".join(summary))
    return generated.pairs


def _check_output(output: str) -> None:
    if is_remote(output):
        raise InputError(f"--output {output}: must be a local folder; copy the files afterwards")
    if list_folder(output):
        raise InputError(f"--output {output}: the folder is not empty; give a new folder")


def _read_pages(source: str, kind: str, texts: PageStore, config: PairsConfig) -> Pages:
    """Reads the documents of a source, and cuts them into pages."""
    pages = Pages(texts, PageFilter(config.min_length, config.min_japanese, config.keep_duplicates))
    try:
        documents = READERS[kind](source, Documents(config.group_pattern))
        pages.read(documents, config.length, _measure(config))
    except InputError as error:
        named = source in str(error) or FIX in str(error)
        raise InputError(str(error) if named else f"{source}: {error}") from None
    return pages


def _measure(config: PairsConfig) -> Callable[[str], int]:
    """Returns a function that measures the length of a text in ``config.unit``."""
    if config.unit == "characters":
        return len
    import sentencepiece

    try:
        pieces = sentencepiece.SentencePieceProcessor(model_file=config.model_file)
    except (OSError, RuntimeError):
        raise InputError(f"--model_file {config.model_file}: not a SentencePiece model; give a .model file") from None
    return lambda text: len(pieces.encode(text))


def _choose_pairs(source: str, pages: Pages, config: PairsConfig) -> GeneratedPairs:
    """Chooses as many negative as positive pairs from the pages.

    Raises:
        InputError: there is no pair of each class.
    """
    # 1. Find the candidates for positive pairs. Half become positives, the others are recombined into negatives.
    links = pages.linked()
    candidates = {"next": pages.next, "link": links, "both": [*pages.next, *links]}[config.positive]
    chosen = {c.a: c for c in match_once(candidates, config.seed)}
    positives, negatives = sample_balanced(
        [(c.a, c.b) for c in chosen.values()],
        config.count,
        _negative_rule(pages, candidates, links, config),
        *_near(config, pages),
        config.hard_share,
        config.seed,
    )
    if not negatives:
        raise InputError(
            f"{source}: gives no pair of each class with --positive {config.positive}; give more documents, shorter "
            "pages (--length) or another --positive. " + " ".join(describe_pages(pages, candidates, config))
        )

    # 2. Shuffle both classes together.
    ends = [(chosen[a], b, 1) for a, b in positives] + [(chosen[a], b, 0) for a, b in negatives]
    ends = [ends[i] for i in np.random.default_rng(config.seed).permutation(len(ends))]
    pairs = [Pair(c.a_title, b, label) for c, b, label in ends]

    # 3. Mask A's links to the document of its candidate's B in both classes, so that a mask does not tell the label.
    masked = {c.a_title: c for c, _, _ in ends if c.hidden}
    summary = [*describe_pages(pages, candidates, config), *describe_pairs(pairs, masked, config)]
    return GeneratedPairs(pairs, pages.texts, summary, masked, [(c.a, c.b) for c in candidates], pages.files)


def _negative_rule(
    pages: Pages, candidates: Sequence[Candidate], links: Iterable[Candidate], config: PairsConfig
) -> Allowed:
    """Returns the rule that (A, B) may be a negative: different documents, not linked, and not a positive's texts."""
    same_texts = same_texts_as([(c.a, c.b) for c in candidates], pages.texts) if config.keep_duplicates else None
    linked = {(pages.document(c.a), pages.document(c.b)) for c in links}

    def allowed(a: str, b: str) -> bool:
        ends = pages.document(a), pages.document(b)
        if ends[0] == ends[1] or ends in linked or ends[::-1] in linked:
            return False
        return same_texts is None or not same_texts(a, b)

    return allowed


def _near(config: PairsConfig, pages: Pages) -> tuple[Near, Callable[[str], str]]:
    """Returns the source of hard negatives, and the function that gives the pool of a B: its document or itself.

    Raises:
        InputError: ``--negative mined`` without an index, or with one that cannot be used.
    """
    if config.negative == "mined":
        if config.index is None:
            raise InputError("--negative mined: needs --index, the folder of an index of these pages")
        return mined_pages(config.index, pages.texts.__getitem__), str
    if config.negative == "hard":
        return similar_documents(pages.texts, pages.document), pages.document
    return (lambda _, __: {}), pages.document
