"""Ours and a peer on the same work, alternately, each in a process of its own."""

import json
import os
import statistics
import subprocess
import sys
import time

ENVIRONMENT = os.environ | {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
RESULT = "RESULT "
HEADER = "| {} | ours, {}/s | MB | {}, {}/s | MB | ratio of each round |\n|---|---|---|---|---|---|"


def measure(work):
    """In the side's process: tells how long ``work`` takes, and the process's peak memory."""
    started = time.perf_counter()
    work()
    report(time.perf_counter() - started)


def report(seconds, *more):
    """In the side's process: tells what it took, and the process's peak memory."""
    print(RESULT + json.dumps([seconds, _peak_memory(), *more]), flush=True)


def _peak_memory():
    """In MB. Not getrusage's: that begins with what the parent process had."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def alternate(command, sides, rounds):
    """(seconds, MB, ...) by side, for each round; ``command`` gives a side's command line, which ends in `report`."""
    return [{side: _run(command(side)) for side in sides} for _ in range(rounds)]


def row(name, count, ours, peer, found):
    """A table's row; without a figure of the peer where it has not run."""
    cells = [name]
    for side in (ours, peer):
        known = [each[side] for each in found if side in each]
        cells.append(f"{statistics.median(count / each[0] for each in known):,.0f}" if known else "")
        cells.append(f"{statistics.median(each[1] for each in known):,.0f}" if known else "")
    ratios = sorted(each[peer][0] / each[ours][0] for each in found if peer in each)
    return f"| {' | '.join(cells)} | {', '.join(f'{ratio:.2g}' for ratio in ratios)} |"


def _run(command):
    found = subprocess.run([sys.executable, *map(str, command)], env=ENVIRONMENT, capture_output=True, text=True)
    lines = [line for line in found.stdout.splitlines() if line.startswith(RESULT)]
    if found.returncode or not lines:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{found.stderr[-2000:]}")
    return json.loads(lines[-1][len(RESULT) :])
