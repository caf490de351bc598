"""Pipes, devices, closed streams, terminals without Japanese, schemes and failing disks: one line, and no waiting."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.common import cli, files
from checkpoints_tools.common.errors import InputError
from keras_negaposi import pairs, predict, train
from keras_negaposi.data.json_stream import first_character, stream_members
from keras_negaposi.data.texts import read_texts
from keras_negaposi.readers import table
from keras_negaposi.serving import score_file
from keras_negaposi.tokenizers.sentencepiece import Tokenizer
from keras_negaposi.training import multi_worker, strategies
from tests.helpers.properties import bounded, succeeds_or_explains

READERS = {
    "bytes": files.read_bytes,
    "digest": files.read_digest,
    "text": files.read_text,
    "json": files.read_json,
    "texts": read_texts,
    "stream": lambda path: list(stream_members(path)),
    "first character": first_character,
    "config": BertConfig.from_file,
    "tokenizer": lambda path: Tokenizer(path, path, True),
}
DATA_FLAGS = ("honbun", "negaposi", "bert_config_file", "model_file", "vocab_file", "init_checkpoint")


@contextlib.contextmanager
def at_most(seconds):
    """Fails a test that would wait for a pipe forever."""

    def stop(*_):
        raise AssertionError(f"takes more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def special(name, folder):
    if name != "pipe":
        return name
    os.mkfifo(folder / "pipe.json")
    return str(folder / "pipe.json")


@pytest.mark.parametrize("name", ["pipe", "/dev/zero"])
@pytest.mark.parametrize("reader", READERS)
def test_a_reader_waits_for_no_pipe_and_no_device(reader, name, tmp_path):
    path = special(name, tmp_path)
    with at_most(5), pytest.raises(InputError, match="is a pipe or a device; save its content in a file"):
        READERS[reader](path)


def refusal(main, arguments, capsys, seconds=20):
    with at_most(seconds):
        try:
            code = main(arguments)
        except SystemExit as stop:
            code = stop.code
    error = capsys.readouterr().err
    assert code == 2 and error.count("\n") == 1, error
    return error


@pytest.mark.parametrize("name", ["pipe", "/dev/zero"])
@pytest.mark.parametrize("flag", DATA_FLAGS)
def test_train_waits_for_no_pipe_and_no_device(flag, name, tiny, tmp_path, capsys):
    path = special(name, tmp_path)
    given = tiny.flags | {flag: path, "max_seq_length": "20", "output_dir": str(tmp_path / "out")}
    assert path in refusal(train.main, [f"--{n}={v}" for n, v in given.items()], capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["auto", "scrapbox", "markdown", "folder", "pdf", "honbun", "table"])
def test_pairs_wait_for_no_pipe(kind, tmp_path, capsys):
    for suffix in (".json", ".csv", ".pdf", ".md"):
        os.mkfifo(tmp_path / f"in{suffix}")
        source = str(tmp_path / f"in{suffix}")
        line = refusal(pairs.main, [source, "--format", kind, "--output", str(tmp_path / "out")], capsys)
        assert f"{source}: is a pipe or a device" in line


def read_pairs(path):
    with score_file.open_input(str(path)) as file:
        return list(table.read_pairs(file, str(path), str(path))[1])


def test_predict_reads_a_pipe(tmp_path):
    """Like ``predict --input <(zcat pairs.tsv.gz)``."""
    reading, writing = os.pipe()
    os.mkfifo(tmp_path / "named")

    def write(target):
        with open(target, "wb") as file:
            file.write("甲\t乙\n丙\t丁\n".encode() * 10_000)

    for target, path in ((writing, f"/dev/fd/{reading}"), (tmp_path / "named", tmp_path / "named")):
        writer = threading.Thread(target=write, args=[target])
        writer.start()
        with at_most(10):
            assert read_pairs(path) == [("甲", "乙"), ("丙", "丁")] * 10_000
        writer.join()
    os.close(reading)


@pytest.mark.parametrize(
    "path, words",
    [
        ("/dev/zero", "line 1 has more than 16,777,216 characters"),
        ("/dev", "is a folder"),
        ("gone.tsv", "no such file"),
    ],
)
def test_predict_reads_no_line_without_end(path, words, capsys):
    assert words in refusal(predict.main, ["run", "--input", path], capsys)


def test_predict_reads_nothing_from_an_empty_device():
    assert read_pairs(os.devnull) == []


@pytest.mark.parametrize("path", ["s3://b/x", "https://h/x", "hdfs://h/x", "foo://x", "GS://b/x", "://x", "a\0b"])
def test_a_scheme_that_is_not_supported_is_refused_everywhere(path, tmp_path):
    calls = (
        files.is_remote,
        files.read_bytes,
        files.exists,
        files.list_folder,
        files.make_folder,
        BertConfig.from_file,
    )
    for call in (*calls, lambda path: files.join(path, "x")):
        with at_most(5), pytest.raises(InputError, match="NUL" if "\0" in path else "give a local path or gs://"):
            call(path)
    assert not files.is_remote("a/b://c") and files.is_remote("gs://b/x") and files.is_remote("ram://x")


def test_a_file_larger_than_the_memory_is_refused(tmp_path):
    with open(tmp_path / "sparse.json", "wb") as file:
        file.truncate(1 << 42)
    with at_most(5), pytest.raises(InputError, match="4,398 GB do not fit into memory"):
        files.read_json(str(tmp_path / "sparse.json"))


def test_what_fails_while_a_file_is_open_is_not_blamed_on_it(tmp_path):
    (tmp_path / "in").write_text("x")
    for error in (
        BrokenPipeError(errno.EPIPE, "gone"),
        OSError(errno.ENOSPC, "full"),
        OSError(errno.EACCES, "no", "out"),
    ):
        with pytest.raises(type(error)) as raised, files.opened(str(tmp_path / "in")):
            raise error
        assert raised.value is error
    with pytest.raises(InputError, match="in: cannot be read: broken"), files.opened(str(tmp_path / "in")):
        raise OSError(errno.EIO, "broken")


@pytest.mark.parametrize(
    "path, words",
    [
        ("file/x.json", "Not a directory"),
        ("file", None),
        ("loop.json", "symbolic links"),
        ("x" * 300, "is too long"),
        ("d/" * 3000 + "x", "is too long"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop.json").symlink_to("loop.json")
    found = succeeds_or_explains(lambda: files.read_text(path))
    assert found == "x" if words is None else words in str(found)


@pytest.mark.parametrize(
    "error, words",
    [
        (OSError(errno.EIO, "Input/output error"), "Input/output error; check the disk"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 10**6), "File name too long"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x: Permission denied; give another path"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/x/y"), "/x/y: Not a directory"),
        (MemoryError(), "not enough memory"),
        (InputError("x" * 10**6), "xxx"),
    ],
)
def test_what_the_system_refuses_is_one_short_line(error, words, capsys):
    def fail(_):
        raise error

    assert cli.run_command(cli.make_parser("x", ""), fail, []) == 2
    line = capsys.readouterr().err
    assert words in line and line.count("\n") == 1 and len(line) < 1100


# Streams that the shell closed, or that do not take Japanese.


@pytest.fixture
def notes(tmp_path):
    for name in "庭池石木苔橋":
        (tmp_path / f"{name}.md").write_text(f"{name}の長い一行目\n\n{name}の長い二行目\n", encoding="utf-8")
    return tmp_path


def shell(command, folder, **environment):
    script = f'exec "{sys.executable}" -m keras_negaposi.{command}'
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, timeout=60, env=os.environ | ROOT | environment
    )


ROOT = {"PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(train.__file__)))}


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_pairs_do_their_work_with_closed_streams(closed, notes):
    result = shell(f"pairs . --output out --length 10 {closed}", notes)
    assert result.returncode == 0, result.stderr
    texts = json.loads((notes / "out/honbun_data.json").read_text(encoding="utf-8"))
    assert len(texts) == 12 and len(json.loads((notes / "out/negaposi.json").read_text())) >= 2


@pytest.mark.parametrize(
    "command, words",
    [
        ("predict run <&-", "stdin is closed; open it, or give a file with --input"),
        ("predict run --input 庭.md >&-", "stdout is closed; open it, or give a file with --output"),
        ("suggest index --text x >&-", "stdout is closed"),
        ("pairs . --output out --length 10 >/dev/full", "No space left on device"),
        ("pairs gone --output out 2>&-", ""),
    ],
)
def test_a_command_whose_stream_is_closed_or_full_fails_in_one_line(command, words, notes):
    result = shell(command, notes)
    error = result.stderr.decode()
    assert result.returncode == 2 and words in error and error.count("\n") == bool(words), error


def test_a_terminal_without_japanese_gets_escapes(notes):
    result = shell("pairs . --output 出 --length 10", notes, PYTHONIOENCODING="ascii")
    assert result.returncode == 0 and rb"--honbun '\u51fa'/honbun_data.json" in result.stdout, result.stderr
    assert result.stdout.isascii() and "庭の長い一行目" in (notes / "出/honbun_data.json").read_text(encoding="utf-8")
    result = shell("pairs 無い --output 別", notes, PYTHONIOENCODING="ascii")
    assert result.returncode == 2 and rb"\u7121\u3044: no such file or folder" in result.stderr


# TF_CONFIG.


def cluster(**changes):
    return {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}} | changes


@pytest.mark.parametrize(
    "value, words",
    [
        ("{", "TF_CONFIG: not JSON at line 1"),
        ("[" * 100_000, "nested too deeply"),
        ([], "expected object, got array"),
        (cluster(cluster=[]), "cluster: expected object"),
        (cluster(cluster={"worker": "a:1"}), "expected array, got str"),
        (cluster(cluster={"worker": [1, 2]}), "expected str, got int"),
        (cluster(cluster={"worker": ["a", "b:2"]}), '"a" is not a host:port'),
        (cluster(task="worker"), "task: expected object"),
        (cluster(task={"type": "worker"}), "missing required field index"),
        (cluster(task={"type": ["worker"], "index": 0}), "task.type: expected str"),
        (cluster(task={"type": "worker", "index": True}), "task.index: expected int"),
        (cluster(task={"type": "worker", "index": -1}), "task.index: expected int >= 0"),
        (cluster(task={"type": "worker", "index": 2}), 'no task "worker" 2'),
        (cluster(task={"type": "ps" * 10**6, "index": 0}), "no task"),
    ],
)
def test_a_tf_config_of_other_types_is_refused(value, words, monkeypatch):
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) < 100_000:
        monkeypatch.setenv("TF_CONFIG", text)
    else:  # longer than the system allows
        monkeypatch.setattr(os, "environ", {"TF_CONFIG": text})
    found = succeeds_or_explains(multi_worker.read_cluster)
    assert isinstance(found, InputError) and words in str(found) and "TF_CONFIG: " in str(found)


def test_a_tf_config_that_names_its_index_as_text_is_read(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster(task={"type": "worker", "index": "1"}, environment="cloud")))
    assert multi_worker.read_cluster() == (["a:1", "b:2"], 1)
    monkeypatch.setenv("TF_CONFIG", " ")
    assert multi_worker.read_cluster() == ([], 0)


@pytest.mark.parametrize("address", ["grpc://[x", "grpc://h:99999999", "grpc://h:x", "grpc://", "grpc://" + "x" * 300])
def test_an_address_that_is_none_is_refused(address):
    with at_most(20), pytest.raises(InputError, match="nothing answers at this address"):
        strategies._check_tpu(address)


@bounded
@given(st.text(alphabet="ab/.:~\0\n\ud800か gs3~", max_size=30))
def test_property_any_path_is_read_or_explained(path):
    def read():
        with contextlib.suppress(InputError):
            files.list_folder(path)
        if not (path.startswith("gs:") and files.is_remote(path)):
            files.read_text(path)

    succeeds_or_explains(read)
