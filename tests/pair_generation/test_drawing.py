"""Pair generation: cutting pages, matching negatives, masking links, and the whole command."""

import json
import random
import shutil
from collections import Counter

import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import PairsConfig
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.hard_negatives import nearest_documents
from keras_negaposi.data.negative_sampling import match_negatives
from keras_negaposi.data.pairs import Pair, read_pairs
from keras_negaposi.pair_generation.chunking import cut_document
from keras_negaposi.pair_generation.generate import make_pairs
from keras_negaposi.pair_generation.label_leak_check import describe_leaks, measure_leaks
from keras_negaposi.pair_generation.page_store import PageStore
from keras_negaposi.pair_generation.pages import PageFilter, Pages
from keras_negaposi.pair_generation.positives import MASK, mask_links
from keras_negaposi.pairs import main
from keras_negaposi.readers.document import Document, Line, Link
from keras_negaposi.readers.folder import read_folder

BY_COMMA = Documents(r"^(.*),")


def test_lines_are_joined_as_long_as_they_fit():
    lines = [Line("あ" * 4), Line("い" * 3), Line("う" * 4, (Link(1, 3, "庭"),)), Line("え" * 6)]
    pages = cut_document(Document("話", [lines]), 8)
    assert [page.text for page in pages] == ["ああああ いいい", "うううう", "ええええええ"]
    assert [page.title for page in pages] == ["話,000", "話,001", "話,002"]
    joined = cut_document(Document("話", [lines]), 11)[0]
    assert joined.text == "ああああ いいい うううう"
    assert [(joined.text[link.start : link.end], link.target) for link in joined.links] == [("うう", "庭")]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("一つ目。二つ目。三つ目。", ["一つ目。二つ目。", "三つ目。"]),
        ("「そう。」と言う。次。", ["「そう。」", "と言う。次。"]),
        ("「長い。」短い。", ["「長い。」短い。"]),
        ("あ" * 17, ["あ" * 8, "あ" * 8, "あ"]),
        ("One. Two. End", ["One.", "Two. End"]),
    ],
)
def test_a_long_line_is_cut_at_the_ends_of_sentences(text, parts):
    assert [page.text for page in cut_document(Document("話", [[Line(text)]]), 8)] == parts


def test_no_letter_is_lost_and_no_page_too_long():
    rng = random.Random(0)
    for _ in range(200):
        lines = ["".join(rng.choices("あ。」 a.", k=rng.randrange(1, 60))).strip() or "あ" for _ in range(5)]
        pages = cut_document(Document("話", [[Line(line) for line in lines]]), 12)
        assert "".join("".join(page.text for page in pages).split()) == "".join("".join(lines).split())
        assert all(sum(map(len, page.text.split())) <= 12 for page in pages)


def test_a_link_is_masked_and_its_name_elsewhere():
    text = "庭の話なら こちら、garden とGardenの話"
    link = Link(text.index("こちら"), text.index("こちら") + 3, "Garden")
    assert mask_links(text, [link], ["Garden", "話"]) == f"庭の話なら {MASK}、{MASK} と{MASK}の話"


def test_negatives_use_every_b_once_and_prefer_near_documents():
    queries = [f"d{i % 20},{i // 20:03d}" for i in range(100)]
    keys = [f"d{i % 20},{i // 20 + 100:03d}" for i in range(100)]

    def twin(titles, _):
        return {a: [f"d{int(BY_COMMA(a)[1:]) ^ 1}"] for a in titles}

    def allowed(a, b):
        return BY_COMMA(a) != BY_COMMA(b)

    matched = match_negatives(queries, keys, allowed, twin, BY_COMMA, 0.6, seed=1)
    assert [a for a, _ in matched] == queries
    assert sorted(b for _, b in matched) == sorted(keys)
    assert all(allowed(a, b) for a, b in matched)
    near = sum(BY_COMMA(b) == f"d{int(BY_COMMA(a)[1:]) ^ 1}" for a, b in matched)
    assert 60 <= near < 80
    assert matched == match_negatives(queries, keys, allowed, twin, BY_COMMA, 0.6, seed=1)
    assert matched != match_negatives(queries, keys, allowed, twin, BY_COMMA, 0.6, seed=2)


def test_like_documents_share_words():
    texts = {
        "庭,0": "庭の石と苔を見る",
        "庭,1": "石を置く",
        "苔,0": "石と苔の庭がある",
        "車,0": "自動車を運転する",
        "道,0": "車の運転と道",
    }
    near = nearest_documents({"庭", "車"}, texts, Documents("^(.*),"))
    assert near["庭"][0] == "苔" and near["車"][0] == "道"
    assert all(name not in found and len(found) <= 3 for name, found in near.items())


def wiki(tmp_path, documents=40):
    """Writes a Scrapbox export: each document links to the next one, in a circle, and to a missing one."""
    rng = random.Random(2)
    names = [f"Topic{number}の話" for number in range(documents)]
    pages = []
    for number, name in enumerate(names):
        target = names[(number + 1) % documents]
        lines = [
            name,
            *(f"{name[:-2]}には{rng.randrange(10**6)}と{rng.randrange(10**6)}がある。" * 3 for _ in range(6)),
        ]
        lines[3] += f"続きは[{target.upper() if number % 2 else target}]で、[無い話]でもある。{target}とも書く。"
        pages.append({"title": name, "lines": lines})
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"name": "w", "pages": pages}), encoding="utf-8")
    return path, names


@pytest.mark.parametrize("positive", ["next", "link", "both"])
def test_a_wiki_becomes_pairs(positive, tmp_path, capsys):
    path, names = wiki(tmp_path)
    out = tmp_path / "out"
    assert main([str(path), "--output", str(out), "--positive", positive]) == 0
    output = capsys.readouterr().out
    texts = json.loads((out / "honbun_data.json").read_text(encoding="utf-8"))
    data = read_pairs(str(out / "honbun_data.json"), str(out / "negaposi.json"))
    negative, positive_count = data.class_counts
    assert negative == positive_count > 5
    assert max(Counter(pair.a for pair in data.pairs).values()) == 1
    assert max(Counter(pair.b for pair in data.pairs).values()) == 1
    known = {(a, b) for a, b in json.loads((out / "links.json").read_text(encoding="utf-8"))["posi"]}
    masked = 0
    for pair in data.pairs:
        a, b = BY_COMMA(pair.a), BY_COMMA(pair.b)
        page = pair.a.removesuffix(f" {MASK}")
        assert ((page, pair.b) in known) == bool(pair.label)
        after = names[(names.index(a) + 1) % len(names)]
        if pair.a != page:
            masked += 1
            assert MASK in texts[pair.a] and after.lower() not in texts[pair.a].lower() and after in texts[page]
        assert b in ({a} if positive == "next" else {a, after}) if pair.label else b not in {a, after}
    pages = [title for title in texts if not title.endswith(MASK)]
    assert set(BY_COMMA(title) for title in pages) == set(names)
    if positive == "next":
        assert not masked and not (out / "pages.json").exists()
    else:
        assert masked and list(json.loads((out / "pages.json").read_text(encoding="utf-8"))) == pages
        assert "40 to no document" in output
    assert "Label leak check, accuracy by baseline: A only" in output and "keras_negaposi.train --honbun" in output


def test_the_same_seed_chooses_the_same_pairs(tmp_path):
    path, _ = wiki(tmp_path)
    chosen = {}
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        make_pairs(str(path), PairsConfig(output=str(tmp_path / name), positive="both", seed=seed))
        chosen[name] = [(tmp_path / name / file).read_bytes() for file in ("honbun_data.json", "negaposi.json")]
    assert chosen["one"] == chosen["two"] != chosen["three"]


def test_labelled_rows_stay_as_they_are(tmp_path):
    rows = [("一", "二", "1"), ("三", "一", "0"), ("一", "二", "1"), ('引用"と,読点', "二", "0")]
    path = tmp_path / "pairs.csv"
    quoted = [",".join('"' + field.replace('"', '""') + '"' for field in row) for row in rows]
    path.write_text("\n".join(["text_a,text_b,label", *quoted]), encoding="utf-8")
    make_pairs(str(path), PairsConfig(output=str(tmp_path / "out")))
    data = read_pairs(str(tmp_path / "out" / "honbun_data.json"), str(tmp_path / "out" / "negaposi.json"))
    assert [(data.texts[p.a], data.texts[p.b], str(p.label)) for p in data.pairs] == [rows[0], rows[1], rows[3]]
    path.write_text("text_a,text_b,label\n一,二,1\n一,二,0\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 3: the same two texts have the other label"):
        make_pairs(str(path), PairsConfig(output=str(tmp_path / "other")))
    assert not (tmp_path / "other").exists()


def test_a_dropped_page_has_no_next_page(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    texts = {
        0: "日本語の最初の頁",
        1: "短",
        2: "日本語の三番目の頁",
        3: "an English page indeed",
        4: "日本語の最初の頁",
    }
    texts |= {5: "六番目の頁である", 6: "七番目の頁である"}
    for document in "甲乙":
        for number, text in texts.items():
            mark = "" if number == 4 else document
            (folder / f"{document},{number:03d}.txt").write_text(text + mark, encoding="utf-8")
    (folder / "甲,000.txt").write_text(texts[0], encoding="utf-8")
    (folder / "乙,000.txt").write_text(texts[0] + "乙", encoding="utf-8")
    pages = Pages(PageStore(str(tmp_path / "pages.sqlite")), PageFilter(min_length=3, min_japanese=0.5))
    pages.read(read_folder(str(folder)), 200)
    # 001 is too short, 003 English; 乙 is read first, so that 甲,000 and 甲,004 repeat 乙,004.
    next_pages = [("乙,004", "乙,005"), ("乙,005", "乙,006"), ("甲,005", "甲,006")]
    assert [(candidate.a, candidate.b) for candidate in pages.next] == next_pages
    assert pages.dropped == {"duplicate": 2, "not Japanese": 2, "too short": 2}
    kept = [f"乙,{number:03d}" for number in (0, 2, 4, 5, 6)] + [f"甲,{number:03d}" for number in (2, 5, 6)]
    assert list(pages.texts) == kept


def test_one_side_that_predicts_the_label_gives_a_warning():
    rng = random.Random(3)
    texts = {
        f"t{i}": "".join(rng.choices("あいうえおかき", k=20)) + ("。続く" if i < 200 else "。") for i in range(800)
    }
    pairs = [Pair(f"t{i}", f"t{i + 400}", int(i < 200)) for i in range(400)]
    lines = describe_leaks(measure_leaks(pairs, texts.__getitem__, r"^(.*),", 0))
    assert any(line.startswith("WARNING: A only predicts the label") for line in lines)
    assert not any(line.startswith("WARNING: B only") for line in lines)


@pytest.mark.shared
def test_pairs_of_real_notes_do_not_leak_the_label(shared, tmp_path):
    texts = json.loads((shared / "data" / "slides" / "honbun_data.json").read_text(encoding="utf-8"))
    folder = tmp_path / "notes"
    folder.mkdir()
    for title in list(texts)[:4000]:
        (folder / f"{title}.txt").write_text(texts[title], encoding="utf-8")
    make_pairs(str(folder), PairsConfig(output=str(tmp_path / "out")))
    notes = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "Label leak check, accuracy by baseline: A only" in notes and "WARNING" not in notes
    shutil.rmtree(folder)
