"""A real server process: slow clients, a new index under load, an end in order, and kill -9."""

import json
import signal
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest

from keras_negaposi.config import IndexConfig
from keras_negaposi.data.decisions import Decision, parse_decision
from keras_negaposi.retrieval.build import index_pages
from keras_negaposi.server.decision_log import DecisionLog
from tests.helpers.servers import served

pytestmark = pytest.mark.slow


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.fixture
def server(index_copy):
    with served(index_copy, "--timeout", "2", "--all_pages", "false", "--rate", "0") as running:
        yield running


def test_slow_clients_are_cut_off_and_others_do_not_wait(server):
    host, port = server.address.removeprefix("http://").split(":")
    head = b"POST /suggest HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
    slow = [socket.create_connection((host, int(port)), timeout=30) for _ in range(40)]
    for number, connection in enumerate(slow):
        connection.sendall(head + b"{" if number % 2 else b"GET /pages HT")
    started = time.monotonic()
    assert httpx.post(f"{server.address}/suggest", json={"text": "りんご"}, timeout=10).status_code == 200
    assert time.monotonic() - started < 2
    ends = []
    for connection in slow:
        with connection:
            received = b""
            while part := connection.recv(4096):
                received += part
            ends.append(received)
    assert time.monotonic() - started < 15
    assert all(b"408" in end for end in ends[1::2]) and not any(ends[::2])


def test_a_new_index_is_swapped_in_without_a_failed_request(server, index_copy, corpus):
    statuses, stop = [], threading.Event()

    def ask():
        with httpx.Client(timeout=30) as client:
            while not stop.is_set():
                body = {"text": f"りんごを買う。{len(statuses)}"}
                statuses.append(client.post(f"{server.address}/suggest", json=body).status_code)

    with ThreadPoolExecutor() as pool:
        asking = [pool.submit(ask) for _ in range(3)]
        try:
            for number in range(2):
                pages = dict(corpus) | {f"new{number},000": f"新しいページ{number}です。"}
                index_pages(None, IndexConfig(output=str(index_copy)), pages)
                title = {"title": f"new{number},000"}
                wait_for(lambda title=title: httpx.post(f"{server.address}/suggest", json=title).status_code == 200)
                before = len(statuses)
                wait_for(lambda before=before: len(statuses) > before + 5)
        finally:
            stop.set()
    assert all(future.result() is None for future in asking)
    assert set(statuses) == {200}
    assert "negaposi_swaps_total 2.0" in httpx.get(f"{server.address}/metrics").text


def test_a_signal_ends_the_server_after_the_requests_that_wait(server):
    texts = [f"電車で話す。{number}" for number in range(20)]

    def ask(text):
        return httpx.post(f"{server.address}/suggest", json={"text": text}, timeout=30).status_code

    with ThreadPoolExecutor(20) as pool:
        asking = [pool.submit(ask, text) for text in texts]
        wait_for(lambda: 'path="/suggest"' in httpx.get(f"{server.address}/metrics").text)
        code, errors = server.end(signal.SIGTERM)
        outcomes = [future.exception() or future.result() for future in asking]
    # A request is answered, or its connection was not accepted any more.
    assert all(outcome == 200 or isinstance(outcome, httpx.ConnectError) for outcome in outcomes), outcomes
    assert outcomes.count(200) and code == 128 + signal.SIGTERM and not errors


def test_no_acknowledged_decision_is_lost_by_kill_9(server, index_copy):
    acknowledged = []

    def decide(thread):
        with httpx.Client() as client:
            for number in range(100_000):
                a = f"{thread}-{number}"
                body = {"a": a, "b": "ページ", "decision": "accept", "at": "2026-11-28T18:40:11Z"}
                try:
                    if client.post(f"{server.address}/decisions", json=[body, body | {"b": "二"}]).status_code == 200:
                        acknowledged.append(a)
                except httpx.TransportError:
                    return

    with ThreadPoolExecutor() as pool:
        for thread in range(3):
            pool.submit(decide, thread)
        wait_for(lambda: len(acknowledged) > 20)
        server.end(signal.SIGKILL)
    log = DecisionLog(f"{index_copy}.decisions.sqlite")
    kept = [decision.a for decision in log.all()]
    log.close()
    assert set(acknowledged) <= set(kept)
    assert all(kept.count(a) == 2 for a in kept)  # each request's two decisions, or none


def test_a_changed_note_is_served_within_seconds(tmp_path, corpus):
    notes = tmp_path / "notes"
    notes.mkdir()
    for title, text in corpus.items():
        with open(notes / f"{title.split(',')[0]}.md", "a", encoding="utf-8") as note:
            note.write(f"{text}\n\n")
    from keras_negaposi.pairs import main as pairs_main

    assert pairs_main([str(notes), "--output", str(tmp_path / "pairs"), "--length", "60"]) == 0
    honbun = json.loads((tmp_path / "pairs" / "honbun_data.json").read_text(encoding="utf-8"))
    index_pages(None, IndexConfig(output=str(tmp_path / "index")), honbun)
    flags = ("--watch", notes, "--length", "60", "--all_pages", "false", "--rate", "0")
    with served(tmp_path / "index", *flags) as server:
        (notes / "kumo.md").write_text("雲が流れる空を見ていた。", encoding="utf-8")

        def found():
            pages = httpx.get(f"{server.address}/pages", params={"words": "雲が流れる"}).json()
            return pages["total"] == 1

        wait_for(found, 90)
        code, errors = server.end()
        assert code == 128 + signal.SIGTERM and not errors
    database = sqlite3.connect(tmp_path / "index.decisions.sqlite")
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_decisions_are_read_again_in_their_order(tmp_path):
    log = DecisionLog(str(tmp_path / "d.sqlite"))
    made = [Decision(f"A{n}", "B", "accept", datetime.now(UTC), text_a="あ") for n in range(2500)]
    log.add(made[:1])
    log.add(made[1:])
    log.close()
    again = DecisionLog(str(tmp_path / "d.sqlite"))
    assert list(again.all()) == made and again.decided("A7") == {"B"}
    assert parse_decision(made[3].to_line(), "x") == made[3]
    again.close()
