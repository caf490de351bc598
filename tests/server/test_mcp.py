"""``serve --mcp``: a real process, asked by the protocol's own client."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi import serve
from keras_negaposi.retrieval import Index

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
TEE = '"$0" -m keras_negaposi.serve "$1" --mcp 2>"$2.err" | tee "$2.out"'


def test_the_tools_answer_over_stdin_and_stdout(index_copy, corpus, tmp_path):
    from mcp import Client, StdioServerParameters

    log, index = tmp_path / "log", Index(str(index_copy))
    command = StdioServerParameters(
        command="sh", args=["-c", TEE, sys.executable, str(index_copy), str(log)], env={"PYTHONPATH": str(ROOT)}
    )

    async def ask():
        async with Client(command, read_timeout_seconds=120) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert set(tools) == {"suggest", "search", "read_page"}
            assert all(tool.annotations.read_only_hint and tool.description for tool in tools.values())

            async def called(name, **arguments):
                result = await client.call_tool(name, arguments)
                return result.content[0].text if result.is_error else result.structured_content

            for arguments, text in (({"title": "doc03,002"}, corpus["doc03,002"]), ({"text": "[1]"}, "[1]")):
                answer = await called("suggest", top=3, **arguments)
                expected = [(s.title, pytest.approx(s.score, abs=1e-6)) for s in index.suggest(text, 3)]
                assert [(s["title"], s["score"]) for s in answer["suggestions"]] == expected
            assert len((await called("suggest", title="doc03"))["suggestions"]) == 10
            assert 'did you mean "doc' in await called("suggest", title="doc3")
            assert "without --reranker, and the index was made by no run with a partner" in await called(
                "suggest", title="doc03,002", rerank=5
            )
            assert "give either text or title" in await called("suggest", title="doc03", text="x")
            assert (await called("search", words="リンゴ ＤＯＣ００"))["total"] == 6
            page = {"title": "doc03,002", "text": corpus["doc03,002"]}
            assert await called("read_page", title="doc03,002") == {"total": 1, "pages": [page]}
            note = await called("read_page", title="doc03")
            assert note["total"] == 6 and page in note["pages"]
            assert "no such page" in await called("read_page", title="../../etc/passwd")

    asyncio.run(ask())
    lines = log.with_suffix(".out").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 10 and all(json.loads(line)["jsonrpc"] == "2.0" for line in lines)
    assert not any(str(folder) in line for folder in (index_copy.parent, ROOT) for line in lines)
    assert not log.with_suffix(".err").read_text(encoding="utf-8")


def test_a_signal_ends_it_while_it_waits_for_a_message(index_copy):
    command = [sys.executable, "-m", "keras_negaposi.serve", str(index_copy), "--mcp"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline()  # it has begun
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == -signal.SIGTERM
        assert not process.stdout.read() and b"Traceback" not in process.stderr.read()


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(serve.PACKAGES, "mcp", ("mcp", "not_installed_x"))
    with pytest.raises(InputError, match=r"needs not_installed_x; pip install 'keras_negaposi\[mcp\]'"):
        serve._check_packages("mcp")
