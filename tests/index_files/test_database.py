"""An index in PostgreSQL is the index in a folder: the same suggestions, whole versions, and little to transfer."""

import sys
import threading
import time
from pathlib import Path

import pytest

from checkpoints_tools.common.errors import InputError, masked
from keras_negaposi.config import IndexConfig, ServeConfig
from keras_negaposi.index import main as index_main
from keras_negaposi.index_files.database_copy import local_folder
from keras_negaposi.index_files.database_update import updating
from keras_negaposi.index_files.store import Store
from keras_negaposi.retrieval import Index
from keras_negaposi.retrieval.build import index_pages
from keras_negaposi.suggest import main as suggest_main
from tests.helpers.indexes import write_pages
from tests.helpers.postgres import FEW, NEW, PASSWORD

BERT = ("init_checkpoint", "bert_config_file", "model_file", "vocab_file")


def put(url, pages, **options):
    return index_pages(None, IndexConfig(output=str(url), **options), pages)


def pages_of(url):
    return Store(local_folder(url)).pages


def rows(postgres, table, column, index):
    """Each row's transaction, by the column."""
    return dict(postgres.query(f"SELECT {column}, xmin::text FROM {table} WHERE index_name = %s", index))


@pytest.fixture(scope="module")
def frozen(tiny):
    return {name: tiny.flags[name] for name in BERT} | {"max_seq_length": 20}


@pytest.mark.parametrize("kind", ["lexical", "frozen"])
def test_suggestions_are_those_of_the_folder(kind, postgres, machine, tmp_path, corpus, frozen):
    options = frozen if kind == "frozen" else {}
    put(tmp_path / "index", corpus, **options)
    put(postgres.url(kind), corpus, **options)
    machine("second")
    folder, database = Index(str(tmp_path / "index")), Index(postgres.url(kind))
    for title in ("doc03,002", "doc20,005"):
        text = corpus[title]
        assert folder.suggest(text, 20) == database.suggest(text, 20)
    assert dict(postgres.query("SELECT title, text FROM negaposi_page WHERE index_name = %s", kind)) == corpus


def test_an_update_transfers_only_what_has_changed(postgres, machine, frozen, capsys):
    url = postgres.url("little")
    put(url, FEW, **frozen)
    files, pages = rows(postgres, "negaposi_file", "name", "little"), rows(postgres, "negaposi_page", "title", "little")
    segments = {name for name in files if name.startswith("segment")}
    machine("second")
    before = Path(local_folder(url))
    put(url, NEW, **frozen)
    now = rows(postgres, "negaposi_file", "name", "little")
    assert len(segments) > 1 and all(now[name] == files[name] for name in segments)
    kept = {
        title for title, row in rows(postgres, "negaposi_page", "title", "little").items() if row == pages.get(title)
    }
    assert kept == FEW.keys() - {"doc01,003"}
    after = Path(local_folder(url))
    assert before != after and all((before / name).samefile(after / name) for name in segments)
    assert Store(str(after)).pages == NEW and Store(str(before)).pages == FEW

    capsys.readouterr()
    put(url, NEW, **frozen)
    assert "files sent" not in capsys.readouterr().out
    assert rows(postgres, "negaposi_file", "name", "little") == now


def test_copies_of_old_versions_are_removed(postgres, machine):
    url = postgres.url("old")
    folders = []
    for pages in (FEW, NEW, FEW | {"a": "い"}):
        put(url, pages)
        folders.append(Path(local_folder(url)))
    assert [folder.exists() for folder in folders] == [False, True, True]


def test_what_a_database_must_not_have_is_refused(postgres, machine, tmp_path):
    url = postgres.url("damaged")
    put(url, FEW)
    machine("second")
    postgres.query("UPDATE negaposi_file SET content = 'x' WHERE index_name = 'damaged' AND name LIKE 'pages%%'")
    with pytest.raises(InputError, match=r"pages-000001\.json is damaged"):
        local_folder(url)
    postgres.query(
        "UPDATE negaposi_index SET manifest = "
        "replace(manifest::text, 'pages-000001.json\": ', '../../x.json\": ')::json WHERE name = 'damaged'"
    )
    with pytest.raises(InputError, match="does not fit its state"):
        local_folder(url)
    postgres.query("UPDATE negaposi_index SET state = encode(sha256(convert_to(manifest::text, 'UTF8')), 'hex')")
    with pytest.raises(InputError, match=r'names "\.\./\.\./x\.json"'):
        local_folder(url)
    assert not list(tmp_path.rglob("x.json")) and not list(tmp_path.glob("second/**/pages*"))


def test_two_indexes_in_a_database_stay_apart(postgres, machine):
    one, other = postgres.url("one"), postgres.url()
    put(one, FEW)
    put(other, NEW)
    put(one, FEW | {"a": "い"})
    assert pages_of(one) == FEW | {"a": "い"} and pages_of(other) == NEW
    postgres.query("DELETE FROM negaposi_index WHERE name = 'one'")
    assert not postgres.query("SELECT 1 FROM negaposi_file WHERE index_name = 'one'")
    assert pages_of(other) == NEW
    with pytest.raises(InputError, match='has no index "one"'):
        local_folder(one)
    put(one, NEW)
    assert pages_of(one) == NEW
    assert len(postgres.query("SELECT 1 FROM negaposi_page WHERE index_name = 'one'")) == len(NEW)


def test_a_reader_sees_the_old_version_during_a_write(postgres, machine):
    url = postgres.url("reading")
    put(url, FEW)
    writer = threading.Thread(target=put, args=(url, NEW))
    with postgres.connect() as other:
        with other.transaction():
            other.execute("LOCK TABLE negaposi_page IN SHARE MODE")
            writer.start()
            postgres.wait_until_blocked()  # its files are written, but not its pages
            assert pages_of(url) == FEW  # with the cache of the writer
            machine("second")
            assert pages_of(url) == FEW
        writer.join()
    assert pages_of(url) == NEW


def test_a_second_writer_waits(postgres, machine, capsys):
    url = postgres.url("waiting")
    put(url, FEW)
    machine("second")
    with updating(url):
        machine("third")
        second = threading.Thread(target=put, args=(url, NEW))
        second.start()
        end = time.monotonic() + 120
        while "waiting until" not in capsys.readouterr().out:
            assert time.monotonic() < end
            time.sleep(0.02)
        assert pages_of(url) == FEW and second.is_alive()
    second.join()
    assert pages_of(url) == NEW


def test_a_writer_whose_lock_was_lost_does_not_overwrite(postgres, machine):
    url = postgres.url("lost")
    put(url, FEW)
    with pytest.raises(InputError, match="another process has written this index meanwhile"):
        with updating(url) as folder:
            put(folder, NEW)
            postgres.query("UPDATE negaposi_index SET version = version + 1 WHERE name = 'lost'")
    assert pages_of(url) == FEW
    with pytest.raises(InputError, match="check that the server runs there"):
        with updating(url) as folder:
            put(folder, NEW)
            postgres.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()")
    assert pages_of(url) == FEW
    put(url, NEW)
    assert pages_of(url) == NEW


def test_a_server_serves_a_new_version(postgres, machine, tmp_path, caplog):
    from keras_negaposi.server.reindexing import update_index
    from keras_negaposi.server.service import Service

    url = postgres.url("served")
    put(url, FEW)
    service = Service(url, ServeConfig(all_pages=False))
    try:
        postgres.kill()
        end = time.monotonic() + 120
        while "the new index is not used" not in caplog.text:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert service.opened.index.store.pages == FEW
        postgres.start()
        machine("second")
        now = FEW | {"doc01,003": NEW["doc01,003"]}
        update_index(url, write_pages(tmp_path / "honbun_data.json", now), 1000, keep_weights=True)
        machine("first")
        while service.opened.index.store.pages != now:
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        service.close()
    assert PASSWORD not in caplog.text
    assert list(tmp_path.glob("first/keras_negaposi/indexes/served-*/index.decisions.sqlite"))


def test_bad_urls_are_one_line_without_the_password(postgres, machine, tmp_path, capsys, monkeypatch):
    postgres.query("CREATE ROLE guest LOGIN PASSWORD 'geheim-1234'")
    postgres.query("CREATE DATABASE empty")
    pages = write_pages(tmp_path / "pages.json", FEW)

    def refused(url, *words, main=suggest_main, arguments=("--text=a",)):
        try:
            code = main([url if main is suggest_main else f"--output={url}", *arguments])
        except SystemExit as stop:
            code = stop.code
        line = capsys.readouterr().err
        assert code == 2 and line.count("\n") == 1 and "-1234" not in line, line
        assert all(word in line for word in words), line

    def index_refused(url, *words):
        refused(url, *words, main=index_main, arguments=[f"--honbun={pages}"])

    refused(postgres.url("nix"), 'has no index "nix"', "python -m keras_negaposi.index")
    refused(postgres.url(database="empty"), 'has no index "default"')
    refused(postgres.url(database="nix"), "does not exist", "createdb")
    refused(postgres.url(port=1), "Connection refused", "check that the server runs")
    refused(postgres.url(user="guest", password="x-1234"), "password authentication failed", "PGPASSWORD")
    refused(postgres.url(password="a/b-1234"), "%2F")
    refused(postgres.url() + "?foo=-1234", "not a URL")
    refused("postgresql://h/d?index=", "name of the index")
    refused("mysql://u:x-1234@h/d", "not supported")
    index_refused(postgres.url(user="guest", database="empty"), "permission denied", "GRANT")
    index_refused(postgres.url(port=1), "Connection refused")
    monkeypatch.setitem(sys.modules, "psycopg", None)
    index_refused(postgres.url(), "pip install 'keras_negaposi[postgres]'")


def test_passwords_in_messages():
    assert masked("x postgresql://u:p@ss@h:1/d: no") == "x postgresql://u:***@h:1/d: no"
    assert masked('"postgresql://h/d?user=u&password=p&x=1"') == '"postgresql://h/d?user=u&password=***&x=1"'
    assert masked("http://127.0.0.1:80/ gs://b/x a@b") == "http://127.0.0.1:80/ gs://b/x a@b"
