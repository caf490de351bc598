"""Whatever is killed at whatever moment, a database has a whole version of an index, and a later run works."""

import contextlib
import functools
import os
import random
import time

import pytest

from keras_negaposi.config import IndexConfig
from keras_negaposi.index_files.database_copy import local_folder
from keras_negaposi.retrieval import Index
from keras_negaposi.retrieval.build import index_pages
from tests.helpers.forked import Python
from tests.helpers.indexes import write_pages
from tests.helpers.postgres import FEW, NEW, PASSWORD

SEED = 5
QUERY = "りんごを洗う。空を見る。"
KILLS = int(os.environ.get("KERAS_NEGAPOSI_KILLS", 3))
BUILT = "index in "
"""Begins the line after which the new version is sent."""


@pytest.fixture
def update(postgres, machine, tmp_path):
    """Returns a function that starts ``index`` on another machine; its database has the old version."""
    url = postgres.url("killed")
    postgres.query("DROP TABLE IF EXISTS negaposi_file, negaposi_page, negaposi_index")
    index_pages(None, IndexConfig(output=url), FEW)
    new = write_pages(tmp_path / "new.json", NEW)

    def start(cache="second", pages=new):
        command = ["-m", "keras_negaposi.index", "--honbun", pages, "--output", url]
        return Python(*command, environment=machine(cache), merged=True)

    start.url = url
    return start


@functools.cache
def answers(pages):
    """Of an index of its own."""
    return Index.build(None, dict(pages)).suggest(QUERY, 20)


def check_whole(postgres, url, machine, pages):
    """The database has one of these versions, which a machine without a copy can use."""
    machine(f"reader{time.monotonic()}")
    index = Index(url)
    found = index.store.pages
    assert found in pages
    assert index.suggest(QUERY, 20) == answers(tuple(found.items()))
    shown = {title: text.replace("\0", "\ufffd") for title, text in found.items()}
    assert dict(postgres.query("SELECT title, text FROM negaposi_page WHERE index_name = 'killed'")) == shown


def wait_for(process, beginning):
    """Until the process has printed a line, or has ended."""
    for line in process.stdout:
        if line.startswith(beginning):
            return


@pytest.mark.parametrize("phase", ["any", "sending"])
@pytest.mark.parametrize("victim", ["client", "server"])
def test_a_kill_leaves_a_whole_version(victim, phase, update, postgres, machine):
    rng = random.Random(f"{SEED} {victim} {phase}")
    longest = 0.1  # seconds; doubled until a run is finished before the kill
    for _ in range(KILLS):
        process = update()
        if phase == "sending":
            wait_for(process, BUILT)
        time.sleep(rng.uniform(0, longest))
        if process.poll() is None:
            longest *= 2
        process.kill() if victim == "client" else postgres.kill()
        output, _ = process.communicate()
        if victim == "server":
            assert process.returncode in (0, 2) and "Traceback" not in output and PASSWORD not in output, output
            postgres.start()
        check_whole(postgres, update.url, machine, [FEW, NEW])
    process = update()
    output, _ = process.communicate()
    assert process.returncode == 0, output
    check_whole(postgres, update.url, machine, [NEW])


@pytest.mark.parametrize("victim", ["client", "server"])
def test_a_kill_in_the_middle_of_a_transaction_leaves_the_old_version(victim, update, postgres, machine):
    with contextlib.suppress(Exception), postgres.connect() as other, other.transaction():
        other.execute("LOCK TABLE negaposi_page IN SHARE MODE")
        process = update()
        postgres.wait_until_blocked()  # its files are written, but not its pages
        process.kill() if victim == "client" else postgres.kill()
    output, _ = process.communicate()
    if victim == "server":
        assert process.returncode == 2 and "check that the server runs there" in output, output
        postgres.start()
    check_whole(postgres, update.url, machine, [FEW])
    output, _ = update().communicate()
    assert "version 2" in output, output
    check_whole(postgres, update.url, machine, [NEW])


def test_two_writers_at_once_come_one_after_the_other(update, postgres, machine, tmp_path):
    other = FEW | {"doc03,000": "別の人のページ。"}
    processes = [update("one"), update("two", write_pages(tmp_path / "other.json", other))]
    for process in processes:
        output, _ = process.communicate()
        assert process.returncode == 0, output
    assert postgres.query("SELECT version FROM negaposi_index WHERE name = 'killed'") == [(3,)]
    check_whole(postgres, update.url, machine, [NEW, other])


def test_a_killed_reader_leaves_no_half_copy(update, postgres, machine):
    code = f"from keras_negaposi.index_files.database_copy import local_folder; local_folder({update.url!r})"
    environment = machine("reader")
    with postgres.connect() as other, other.transaction():
        other.execute("LOCK TABLE negaposi_file IN ACCESS EXCLUSIVE MODE")
        process = Python("-c", code, environment=environment)
        postgres.wait_until_blocked()
        process.kill()
        process.communicate()
    assert Index(local_folder(update.url)).store.pages == FEW
