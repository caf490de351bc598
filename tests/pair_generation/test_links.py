"""Link targets: in a vault as in Obsidian and Foam, and among titles that are not paths."""

import json
import unicodedata

import pytest

from keras_negaposi.pair_generation.link_targets import LinkTargets
from keras_negaposi.readers.document import Document
from tests.helpers.properties import cpu_seconds

VAULT = {
    "入口": (),
    "庭/石": ("ストーン", "石ころ", "I/O"),
    "庭/水/池": ("ため池",),
    "庭/水/index": (),
    "森/池": (),
    "森/深い/奥/池": (),
    "森/README": (),
    "森/Re: 池 #1": (),
    "Big Garden": (),
    "ガーデン": (),
    "TCP／IP": (),
}


def targets(titles, is_path=True):
    found = LinkTargets()
    for title in titles:
        found.add(Document(title, [], aliases=titles[title] if is_path else (), is_path=is_path))
    return found


@pytest.mark.parametrize(
    ("source", "target", "found"),
    [
        # from the vault's root, in full and abbreviated
        ("森/池", "庭/水/池", "庭/水/池"),
        ("森/池", "/庭/水/池", "庭/水/池"),
        ("森/池", "庭/水/池.md", "庭/水/池"),
        ("森/池", "庭/水/池.MARKDOWN", "庭/水/池"),
        ("森/池", "庭\u3000/水/池", "庭/水/池"),
        # relative to the note
        ("庭/石", "./水/池", "庭/水/池"),
        ("庭/石", "./水/池.md", "庭/水/池"),
        ("庭/石", "水/池", "庭/水/池"),
        ("森/池", "../庭/石", "庭/石"),
        ("森/深い/奥/池", "../../池.md", "森/池"),
        ("庭/水/池", "./../石", "庭/石"),
        ("森/池", "./Re: 池 #1", "森/Re: 池 #1"),
        # by the end of the path
        ("入口", "石", "庭/石"),
        ("入口", "水/池", "庭/水/池"),
        ("森/池", "奥/池", "森/深い/奥/池"),
        # several candidates: below the note's folder, then the shortest path
        ("庭/石", "池", "庭/水/池"),
        ("森/深い/奥/池", "池", "森/深い/奥/池"),
        ("入口", "池", "森/池"),
        ("Big Garden", "./池.md", "森/池"),
        # other spellings
        ("入口", "big garden", "Big Garden"),
        ("入口", "ＢＩＧ_GARDEN", "Big Garden"),
        ("入口", "ｶﾞｰﾃﾞﾝ", "ガーデン"),
        ("入口", unicodedata.normalize("NFD", "ガーデン"), "ガーデン"),
        # by an alias; by a folder with an index note
        ("入口", "ストーン", "庭/石"),
        ("入口", "ため池", "庭/水/池"),
        ("入口", "i/o", "庭/石"),
        ("入口", "水", "庭/水/index"),
        ("入口", "./森", "森/README"),
        ("庭/石", "../森", "森/README"),
        ("森/池", "庭/水", "庭/水/index"),
        # no target
        ("庭/石", "./森/池", "森/池"),
        ("庭/石", "../池", None),
        ("入口", "../入口", None),
        ("庭/石", "/石", None),
        ("入口", "の池", None),
        ("入口", "別/水/池", None),
        ("入口", "IP", None),
        ("入口", "O", None),
        ("入口", "絵.png", None),
        ("入口", "", None),
        ("入口", ".", None),
        ("入口", "/", None),
    ],
)
def test_links_of_a_vault(source, target, found):
    vault = targets(VAULT)
    assert vault.find(target, source) == found
    assert (vault.dangling, vault.ambiguous) == (found is None, 0)


def test_the_root_takes_precedence_over_the_notes_folder_unless_the_link_is_relative():
    vault = targets({"池": (), "庭/池": (), "庭/石": ()})
    assert [vault.find(target, "庭/石") for target in ("池", "/池", "./池.md", "../池")] == ["池", "池", "庭/池", "池"]
    assert vault.nearest == 0


def test_links_to_one_of_several_notes_are_counted():
    vault = targets({"a/池": ("水",), "b/池": ("水",), "c/石": ()})
    assert [vault.find(target, "c/石") for target in ("池", "水", "b/池")] == ["a/池", "a/池", "b/池"]
    assert (vault.nearest, vault.dangling, vault.ambiguous) == (2, 0, 0)


def test_titles_that_are_not_paths_match_exactly_or_normalised():
    project = targets(dict.fromkeys(["ガーデン", "Garden", "TCP/IP", "a b", "A B", "池"]), is_path=False)
    spellings = {
        "Garden": "Garden",
        "ｇａｒｄｅｎ": "Garden",
        "ガーデン": "ガーデン",
        "ｶﾞｰﾃﾞﾝ": "ガーデン",
        "tcp/ip": "TCP/IP",
    }
    spellings |= {"a b": "a b", unicodedata.normalize("NFD", "ガーデン"): "ガーデン"}
    assert {target: project.find(target, "池") for target in spellings} == spellings
    assert (project.dangling, project.ambiguous) == (0, 0)
    assert [project.find(target, "池") for target in ("IP", "./池", "無い", "a_b")] == [None] * 4
    assert (project.dangling, project.ambiguous, project.nearest) == (3, 1, 0)
    assert project.names("TCP/IP") == ["TCP/IP"]


def test_names_of_a_document_include_its_aliases():
    assert targets(VAULT).names("庭/石") == ["庭/石", "石", "ストーン", "石ころ", "I/O"]


def find_all(titles):
    vault = targets(titles)
    for title in titles:
        vault.find("README", title)
        vault.find("./b.md", title)


@pytest.mark.parametrize("form", ["d{0}/README", "a/{0}/b", "x/x/x/x/x/x/x/x/{0}"])
def test_the_time_is_linear_in_the_number_of_notes(form):
    seconds = []
    for count in (1500, 6000):
        titles = {form.format(number): () for number in range(count)}
        seconds.append(cpu_seconds(lambda: find_all(titles)))  # noqa: B023 - called at once
    assert seconds[1] < 8 * seconds[0] + 0.05


def notes(folder, text):
    folder.mkdir()
    for number in range(12):
        body = text.format(f"庭{(number + 1) % 12:02d}", f"庭{(number + 2) % 12:02d}")
        (folder / f"庭{number:02d}.md").write_text(f"{number}番目の庭には石がある。{body}", encoding="utf-8")
    return str(folder)


def test_pairs_reports_dangling_links_when_no_link_has_a_target(tmp_path, capsys):
    from keras_negaposi.pairs import main

    source = notes(tmp_path / "notes", "[[無い{0}]]へ進む。")
    assert main([source, "--output", str(tmp_path / "out"), "--positive", "link"]) == 2
    error = capsys.readouterr().err
    assert "12 to no document" in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_pairs_masks_every_name_of_a_linked_document(tmp_path, capsys):
    from keras_negaposi.pairs import main

    source = notes(tmp_path / "notes", "次は[ここ](./{0}.md#節)、{0}はガーデン{0}とも言う。[[{1}]]は遠い。")
    for number in range(12):
        path = tmp_path / "notes" / f"庭{number:02d}.md"
        path.write_text(f"---\naliases: ガーデン庭{number:02d}\n---\n{path.read_text()}", encoding="utf-8")
    assert main([source, "--output", str(tmp_path / "out"), "--positive", "link", "--negative", "random"]) == 0
    texts = json.loads((tmp_path / "out" / "honbun_data.json").read_text())
    links = json.loads((tmp_path / "out" / "links.json").read_text())["posi"]
    assert len(links) == 24 and "0 to no document" in capsys.readouterr().out
    masked = [text for title, text in texts.items() if title.endswith("〓")]
    assert masked and all("次は〓、〓は〓とも言う" in text or "]]" not in text for text in masked)
    assert any("次は〓、〓は〓とも言う。" in text for text in masked)
