"""Commands whose work is done by other processes: Beam's DaskRunner on a cluster of two workers, which also die."""

import functools
import inspect
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import dask
import pytest
from distributed import Client, LocalCluster

from keras_negaposi import index, predict, prepare
from keras_negaposi.input_pipeline import record_folder, shard_writer
from keras_negaposi.retrieval import build
from keras_negaposi.retrieval.cached_encoder import CachedScorer
from keras_negaposi.serving.scorer import Scorer
from tests.helpers.forked import Python
from tests.helpers.runs import QUICK

MAIN = {"prepare": prepare.main, "index": index.main, "predict": predict.main}
WORK = {"prepare": (shard_writer, "serialize"), "index": (CachedScorer, "encode"), "predict": (Scorer, "score")}
"""What is called in the middle of the work."""
TOKEN = "the one who takes this file dies"
DIRECT = ["--runner=DirectRunner"]


@pytest.fixture(scope="module")
def dask_cluster(tmp_path_factory):
    """Two workers with TensorFlow loaded, which are in another working directory, and a client of the tests."""
    Python("-c", "").communicate()  # starts the server that forks them
    folder = tmp_path_factory.mktemp("dask")
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "local_directory": str(folder)}
        with LocalCluster(**options) as cluster, Client(cluster, set_as_default=False) as client:
            yield SimpleNamespace(scheduler=cluster.scheduler, client=client, address=cluster.scheduler_address)


@pytest.fixture
def on_dask(dask_cluster):
    return ["--runner=DaskRunner", "--runner_options", f"dask_client_address={dask_cluster.address}"]


def prepared(tiny):
    names = ("honbun", "negaposi", "model_file", "vocab_file")
    return [*(f"--{name}={tiny.flags[name]}" for name in names), "--max_seq_length=37", "--output_dir=out"]


@pytest.fixture(scope="module")
def inputs(tiny, corpus, finished_run, tmp_path_factory):
    """The flags of each command."""
    folder = tmp_path_factory.mktemp("inputs")
    run, table, texts = finished_run(folder / "run", **QUICK, head="vector"), folder / "pairs.tsv", [*corpus.values()]
    table.write_text("".join(f"{a}\t{b}\n" for a, b in zip(texts, reversed(texts), strict=True)), "utf-8")
    return {
        "prepare": prepared(tiny),
        "index": [str(run), f"--honbun={tiny.flags['honbun']}", "--output=out"],
        "predict": [str(run), f"--input={table}", "--batch_size=2", "--output=out/scores.tsv"],
    }


@pytest.fixture
def start(inputs, tmp_path, monkeypatch):
    """Returns a function that runs a command in several shards; it returns the exit code."""
    monkeypatch.setattr(record_folder, "PAIRS_A_SHARD", 50)
    monkeypatch.setattr(build, "TEXTS_PER_SEGMENT", 40)

    def run(name, folder, more=()):
        (tmp_path / folder / "out").mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        return MAIN[name]([*inputs[name], *more])

    return run


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def watch(name, folder):
    """Runs in a worker: its process id becomes a file, and at its second call it dies if it can take the token."""
    os.chdir("/")
    place, attribute = WORK[name]
    original, calls = inspect.unwrap(getattr(place, attribute)), []

    @functools.wraps(original)
    def watched(*arguments):
        calls.append(Path(folder, str(os.getpid())).touch())
        if len(calls) > 1 and Path(folder, TOKEN).exists():
            Path(folder, TOKEN).unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments)

    setattr(place, attribute, watched)
    return os.getpid()


def refuse(*_):
    raise AssertionError("the work is done in the main process")


@pytest.fixture
def watched(dask_cluster, tmp_path, monkeypatch):
    """Returns a function after which the work of a command is recorded, and refused in this process.

    It returns the process ids of all workers, and the folder of those that have worked.
    """

    def begin(name, kill=False):
        folder = tmp_path / "workers"
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        dask_cluster.client.wait_for_workers(2)
        workers = set(dask_cluster.client.run(watch, name, str(folder)).values())
        assert len(workers) == 2 and os.getpid() not in workers
        monkeypatch.setattr(*WORK[name], refuse)
        if kill:
            (folder / TOKEN).touch()
        return workers, folder

    return begin


@pytest.mark.slow
@pytest.mark.parametrize("name", MAIN)
def test_other_processes_make_the_same_files_even_if_one_is_killed(name, start, watched, on_dask, tmp_path):
    assert start(name, "here") == start(name, "direct", DIRECT) == 0
    workers, worked = watched(name)
    assert start(name, "dask", on_dask) == 0
    assert workers.issuperset({int(path.name) for path in worked.iterdir()}) and [*worked.iterdir()]
    workers, worked = watched(name, kill=True)
    assert start(name, "killed", on_dask) == 0
    assert not (worked / TOKEN).exists()
    made = files(tmp_path / "here")
    assert made and all(files(tmp_path / folder) == made for folder in ("direct", "dask", "killed"))


def test_a_job_whose_worker_died_too_often_is_one_line_and_can_be_repeated(
    dask_cluster, start, watched, on_dask, tmp_path, monkeypatch, capsys
):
    assert start("prepare", "here") == 0
    workers, worked = watched("prepare", kill=True)
    with monkeypatch.context() as patch:
        patch.setattr(dask_cluster.scheduler, "allowed_failures", 0)
        capsys.readouterr()
        assert start("prepare", "dask", on_dask) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "--runner DaskRunner: Attempted to run task" in error, error
    assert error.endswith("check its workers, then run the same command again\n")
    assert start("prepare", "dask", on_dask) == 0
    assert files(tmp_path / "dask") == files(tmp_path / "here")


def test_bad_input_that_a_worker_finds_is_the_same_line(on_dask, tmp_path, capsys):
    table, lines = tmp_path / "pairs.tsv", []
    table.write_text("a\tb\n")
    for more in ([], DIRECT, on_dask):
        assert predict.main([str(tmp_path), f"--input={table}", f"--output={tmp_path / 'scores'}", *more]) == 2
        lines.append(capsys.readouterr().err)
    assert len(set(lines)) == 1 and lines[0].count("\n") == 1 and f"{tmp_path}: neither" in lines[0], lines
    assert [*tmp_path.iterdir()] == [table]


@pytest.mark.parametrize(
    "options, words",
    [
        (["dask_client_address=tcp://127.0.0.1:9", "dask_connection_timeout=1"], "tcp://127.0.0.1:9"),
        (["dask_connection_limit=many"], "dask_connection_limit"),
    ],
)
def test_options_reach_the_runner(options, words, tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert prepare.main([*prepared(tiny), "--runner=DaskRunner", "--runner_options", *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and words in error, error
