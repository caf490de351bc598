"""How long a command takes from its first line to its last, and what it imports in that time.

    python tests/benchmarks/cold_start.py suggest INDEX --title TITLE
    python tests/benchmarks/cold_start.py predict RUN --input PAIRS --output -

Everything runs in a fresh process, several times; the fastest counts. CPU seconds are those of all threads, user and
system together. Imports are timed by ``python -X importtime`` in a run of its own, which they make slower.
"""

import re
import resource
import subprocess
import sys
import time
from collections import Counter

ROUNDS = 5
LEAST = 0.05
"""Packages that take less, in seconds, are counted together."""
_IMPORT = re.compile(r"import time:\s*(\d+) \|\s*\d+ \|\s*(\w+)")


def run(command, *interpreter_flags):
    """Runs the command; returns its stderr, seconds of wall time, and seconds of CPU."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    whole = [sys.executable, *interpreter_flags, "-m", "keras_negaposi", *command]
    done = subprocess.run(whole, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stderr, wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def imports(stderr):
    """Returns the seconds that each package's modules took to import, without those that they import themselves."""
    seconds = Counter()
    for line in stderr.splitlines():
        if found := _IMPORT.match(line):
            seconds[found[2]] += int(found[1]) / 1e6
    return seconds


def main(command):
    """Measures one command and prints a table."""
    runs = [run(command)[1:] for _ in range(ROUNDS)]
    wall, cpu = min(wall for wall, _ in runs), min(cpu for _, cpu in runs)
    packages = imports(run(command, "-X", "importtime")[0])
    large = {name: seconds for name, seconds in packages.most_common() if seconds >= LEAST}
    print(f"| {' '.join(command[:1])} | seconds |\n|---|---|")
    for name, seconds in large.items():
        print(f"| import of {name} | {seconds:.2f} |")
    print(f"| all imports, {len(packages)} packages | {packages.total():.2f} |")
    print(f"| **CPU** | **{cpu:.2f}** |\n| **wall** | **{wall:.2f}** |")


if __name__ == "__main__":
    main(sys.argv[1:])
