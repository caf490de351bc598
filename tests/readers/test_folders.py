"""Tests of which files of a folder are read, and which are left out and why: all are counted, none lies outside."""

import json
import os
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools.common.errors import InputError
from keras_negaposi.data.documents import Documents
from keras_negaposi.pairs import main
from keras_negaposi.readers import READERS, detect, tell_files
from keras_negaposi.readers.folder import find_files
from keras_negaposi.readers.listing import list_files
from tests.helpers.pdfs import pdf_of
from tests.helpers.properties import bounded, succeeds_or_explains

NOBODY = 65534


def write(folder, *names, text="一行目\n\n二行目\n"):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def titles(folder, kind=None):
    kind = kind or detect(str(folder))
    return [document.title for document in READERS[kind](str(folder), Documents(r"^(.*),"))]


@pytest.fixture
def vault(tmp_path):
    folder = tmp_path / "vault"
    for name in ("内1", "内2", "部屋/内3"):
        write(folder, f"{name}.md", text=f"{name}の長い一行目\n\n{name}の長い二行目\n")
    return folder


def test_links_are_not_followed_out_of_the_folder(vault, tmp_path):
    write(tmp_path, "elsewhere/外1.md", "elsewhere/外2.md")
    os.symlink(tmp_path / "elsewhere", vault / "共有")
    os.symlink("../../elsewhere", vault / "部屋/共有")
    os.symlink(vault, vault / "部屋/loop")
    os.symlink("../../elsewhere/外1.md", vault / "部屋/外.md")
    os.symlink("/etc/hostname", vault / "host.md")
    os.symlink("内1.md", vault / "同.md")
    os.symlink("部屋/.隠/内4.md", vault / "内4.md")
    os.symlink("gone.md", vault / "broken.md")
    os.symlink("itself.md", vault / "itself.md")
    write(vault, "部屋/.隠/内4.md")
    assert titles(vault) == ["内1", "内2", "内4", "部屋/内3"]
    assert tell_files(str(vault), "markdown") == (
        f"{vault}: read as markdown, 4 files; left out: 3 linked folders, 2 broken links, 1 hidden, "
        "1 link to a file that is already read, 2 links to files outside the folder"
    )


def test_a_link_that_the_user_names_is_followed(vault, tmp_path):
    os.symlink(vault, tmp_path / "link")
    os.symlink(vault / "内1.md", tmp_path / "one.md")
    assert len(titles(tmp_path / "link")) == 3 and titles(tmp_path / "one.md") == ["one"]


def test_what_is_no_readable_file_is_left_out_and_counted(vault):
    os.mkfifo(vault / "pipe.md")
    with socket.socket(socket.AF_UNIX) as server:
        before = os.getcwd()
        os.chdir(vault)  # the path of a socket must be short
        server.bind("socket.md")
        os.chdir(before)
    (vault / "folder.md").mkdir()
    open(os.fsencode(vault) + "/資料.md".encode("cp932"), "w").close()
    os.mkdir(os.fsencode(vault) + "/写真".encode("cp932"))
    write(vault, *(f"{n}.docx" for n in range(12)), "a.PNG", "b.png", "none", ".hidden.md", ".git/x.md")
    assert titles(vault) == ["内1", "内2", "部屋/内3"]
    left_out = tell_files(str(vault), "markdown").partition("left out: ")[2]
    assert sorted(left_out.split(", ")) == sorted(
        "2 names that are not UTF-8, 2 hidden, 2 pipes or devices, 12 .docx, 2 .png, 1 without suffix".split(", ")
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_what_may_not_be_read_is_left_out_and_counted(tmp_path_factory):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        write(path, "open.md", "locked.md", "room/a.md")
        os.chmod(path, 0o755)
        os.chmod(path / "locked.md", 0o600)
        os.chmod(path / "room", 0o700)
        os.seteuid(NOBODY)
        try:
            assert titles(path) == ["open"]
            assert tell_files(folder, "markdown").endswith("left out: 2 without permission to read")
        finally:
            os.seteuid(0)


@pytest.mark.parametrize(
    "files, kind, left_out",
    [
        ({"README.md": 1, "a.pdf": 2}, "pdf", "1 .md (read those with --format markdown)"),
        ({"README.md": 1, "講演,.txt": 60}, "folder", "1 .md (read those with --format markdown)"),
        (
            {"n.md": 30, "a.pdf": 2, "講演,.txt": 3},
            "markdown",
            "3 .txt, 2 .pdf (read those with --format pdf or --format folder)",
        ),
        ({"n.md": 2, "requirements.txt": 9}, "markdown", "9 .txt (read those with --format folder)"),
        ({"n.md": 2, "a.pdf": 2}, "markdown", "2 .pdf (read those with --format pdf)"),
        ({"n.markdown": 2}, "markdown", None),
    ],
)
def test_the_format_is_that_of_most_files(files, kind, left_out, tmp_path):
    for name, count in files.items():
        stem, suffix = os.path.splitext(name)
        write(tmp_path, *(f"{stem}{number:03d}{suffix}" if count > 1 else name for number in range(count)))
    assert detect(str(tmp_path)) == kind
    line = tell_files(str(tmp_path), kind)
    assert line.partition("left out: ")[2] == (left_out or "")


def test_format_chooses_among_them(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for name in "ab":
        (tmp_path / f"in/{name}.pdf").write_bytes(pdf_of([["one"], ["two"]]))
    write(tmp_path / "in", "note.md")
    assert titles(tmp_path / "in") == ["a", "b"] and titles(tmp_path / "in", "markdown") == ["note"]
    assert main([str(tmp_path / "in"), "--format", "folder", "--output", str(tmp_path / "out")]) == 2
    assert "contains no .txt file" in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name, kind",
    [("deck.md", "markdown"), ("deck.MD", "markdown"), ("deck.markdown", "markdown"), ("d,000.txt", "folder")],
)
def test_a_single_file_is_read(name, kind, tmp_path):
    write(tmp_path, name)
    assert detect(str(tmp_path / name)) == kind
    assert titles(tmp_path / name) == [name.partition("." if kind == "markdown" else ",")[0]]


def test_the_second_call_does_not_read_what_the_first_has_written(vault, capsys):
    arguments = [str(vault), "--length", "10", "--output"]
    assert main([*arguments, str(vault / "pairs")]) == 0
    first = capsys.readouterr().out.splitlines()
    config = {"config": {"group_pattern": "^(.*),", "seed": 0}, "fingerprint": "x"}
    write(vault, "run/config.json", text=json.dumps(config))
    write(vault, "run/eval_results.txt", "run/notes.md")
    assert main([*arguments, str(vault / "more/pairs")]) == 0
    second = capsys.readouterr().out.splitlines()
    assert second[0] == f"{vault}: read as markdown, 3 files; left out: 2 outputs of keras_negaposi"
    assert first[1:-1] == second[1:-1] and "pages of 3 documents" in first[1]
    assert titles(vault) == ["内1", "内2", "部屋/内3"]
    notes = (vault / "more/pairs/README.md").read_text(encoding="utf-8")
    assert second[0] in notes.splitlines()
    assert main([str(vault / "pairs"), "--output", str(vault / "out")]) == 2
    assert "contains no .md, .pdf or .txt file (left out: 1 output of keras_negaposi" in capsys.readouterr().err


def test_a_readme_and_a_configuration_of_others_are_read(tmp_path):
    write(tmp_path, "a/README.md", "b/README.md", text="# Pairs of shoes\n\nmine\n")
    write(tmp_path, "a/config.json", text="[" * 1000)
    write(tmp_path, "b/config.json", text='{"config": {"theme": "dark"}}')
    assert titles(tmp_path) == ["a/README", "b/README"]


def test_titles_are_as_they_are_typed(tmp_path):
    write(tmp_path, "カ\u3099ーデン.md", "テ\u3099サ\u3099イン/ハ\u309aン.md")
    assert titles(tmp_path) == ["ガーデン", "デザイン/パン"]


def test_an_index_of_a_folder_that_is_gone_is_refused(tmp_path):
    for call in (find_files, lambda path, _: list_files(path)):
        with pytest.raises(InputError, match="no such file or folder"):
            call(str(tmp_path / "gone"), (".md",))


def make(path, kind):
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(path):
        return
    if kind == "file":
        path.write_text("行\n\n行", encoding="utf-8")
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(".")
    elif kind == "outside":
        path.symlink_to("/etc/hostname")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        open(os.fsencode(path) + b"\x83\x5c.md", "w").close()


NAMES = st.text(alphabet="a.md,0/～か\u3099\u202e\n\t 'x", min_size=1, max_size=12).map(
    lambda name: name.strip("/") or "a"
)
KINDS = st.sampled_from(("file", "file", "folder", "link", "outside", "pipe", "bytes"))


@bounded
@given(st.lists(st.tuples(NAMES, KINDS), max_size=8))
def test_property_any_tree_is_read_or_explained(tmp_path_factory, entries):
    folder = tmp_path_factory.mktemp("tree")
    for name, kind in entries:
        with suppress(OSError):  # the name exists, or is that of the folder itself
            make(folder / name, kind)

    def read():
        kind = detect(str(folder))
        assert "read as" in tell_files(str(folder), kind)
        return list(READERS[kind](str(folder), Documents(r"^(.*),")))

    found = succeeds_or_explains(read)
    if not isinstance(found, InputError):
        lines = {line.text for document in found for page in document.pages for line in page}
        assert found and open("/etc/hostname").read().strip() not in lines
