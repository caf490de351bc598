"""The load test of ``keras_negaposi.serve``: latency and throughput at several concurrencies, memory and cold start.

python tests/benchmarks/serving_load.py INDEX [--seconds 10] [--concurrency 1 4 16 32]

Each request has another text: the first half of a page of the index and a number, so that nothing is answered from
memory. It starts when the server has prepared its pages. Latencies include HTTP; client and server share the machine.
"""

import argparse
import asyncio
import json
import random
import re
import time
from pathlib import Path

import httpx
import numpy as np

from keras_negaposi.lexical.kept_features import MOST_PAGES
from tests.helpers.servers import served

WARM_UP = 40


def resident_megabytes(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def cpu_seconds(process):
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def ask_for(seconds, clients, address, texts):
    """Latencies in seconds of ``clients`` clients, each of which sends its next request after an answer."""
    latencies, end = [], time.perf_counter() + seconds

    async def ask_again(client):
        while time.perf_counter() < end:
            started = time.perf_counter()
            answer = await client.post(f"{address}/suggest", json={"text": next(texts)})
            latencies.append(time.perf_counter() - started)
            assert answer.status_code == 200, answer.text

    async with httpx.AsyncClient(timeout=60) as client:
        await asyncio.gather(*(ask_again(client) for _ in range(clients)))
    return np.array(latencies)


def pages_of(index):
    return json.loads(sorted(Path(index).glob("pages-*.json"))[-1].read_text(encoding="utf-8"))


def prepared(address):
    """Number of pages whose features the server has computed."""
    metrics = httpx.get(f"{address}/metrics").text
    return float(re.search(r"^negaposi_prepared (\S+)$", metrics, re.MULTILINE)[1])


def different_texts(index, seed):
    texts, rng, number = list(pages_of(index).values()), random.Random(seed), 0
    while True:
        text, number = rng.choice(texts), number + 1
        yield f"{text[: len(text) // 2 + 1]}{number}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", help="folder of the index")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 4, 16, 32])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    texts = different_texts(arguments.index, arguments.seed)
    pages = min(len(set(pages_of(arguments.index).values())), MOST_PAGES)
    started = time.perf_counter()
    with served(arguments.index, "--rate", "0", "--all_pages", "false", "--timeout", "60") as server:
        print(
            f"cold start: {time.perf_counter() - started:.1f} s until the address is printed, "
            f"{cpu_seconds(server.process):.1f} s of CPU, {resident_megabytes(server.process):,.0f} MB"
        )
        while prepared(server.address) < pages:
            time.sleep(0.5)
        print(f"prepared after {time.perf_counter() - started:.0f} s, {resident_megabytes(server.process):,.0f} MB")
        for _ in range(WARM_UP):
            httpx.post(f"{server.address}/suggest", json={"text": next(texts)}, timeout=60).raise_for_status()
        print("| clients | requests/s | p50 | p99 | CPU per request |\n|---|---|---|---|---|")
        for clients in arguments.concurrency:
            before, began = cpu_seconds(server.process), time.perf_counter()
            found = asyncio.run(ask_for(arguments.seconds, clients, server.address, texts))
            rate, cpu = len(found) / (time.perf_counter() - began), (cpu_seconds(server.process) - before) / len(found)
            p50, p99 = np.percentile(found, [50, 99])
            print(
                f"| {clients} | {rate:.1f} | {1e3 * p50:.0f} ms | {1e3 * p99:.0f} ms | {1e3 * cpu:.0f} ms |", flush=True
            )
        print(f"memory at the end: {resident_megabytes(server.process):,.0f} MB")


if __name__ == "__main__":
    main()
