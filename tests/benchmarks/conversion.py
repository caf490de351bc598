"""Conversion of one checkpoint: differences between formats, and time and memory next to tf-models' own converter.

python tests/benchmarks/conversion.py CHECKPOINT_FOLDER
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OURS = [sys.executable, "-m", "checkpoints_tools"]
FORMATS = ("tf1", "tf2", "huggingface")
ENVIRONMENT = os.environ | {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}


def measure(command):
    """Seconds, peak memory in MB and output of a command that must succeed."""
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=ENVIRONMENT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        output.seek(0)
        text = output.read()
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{text[-2000:]}")
    return seconds, usage.ru_maxrss / 1024, text


def converted(source, to, folder):
    path = str(Path(folder) / f"{Path(source).name}-{to}")
    measure([*OURS, "convert", source, "--to", to, "--output_dir", path])
    return path


def largest_difference(a, b):
    text = measure([*OURS, "verify", a, b])[2]
    lines = text[text.index("output ") :].splitlines()[1:-1]
    return max(float(line.split()[-2]) for line in lines)


def print_table(checkpoint, folder):
    """Each checkpoint against what it was converted to, over every layer."""
    paths = {to: converted(checkpoint, to, folder) for to in FORMATS}
    cells = {
        (a, b): largest_difference(paths[a], converted(paths[a], b, folder))
        for a, b in itertools.product(FORMATS, FORMATS)
    }
    print("| from \\ to | " + " | ".join(FORMATS) + " |")
    print("|---" * (len(FORMATS) + 1) + "|")
    for a in FORMATS:
        print(f"| {a} | " + " | ".join(f"{cells[a, b]:.1g}" for b in FORMATS) + " |")


def print_ratio(checkpoint, folder, rounds):
    """TF1 to TF2, ours (which also reads back and compares) and theirs in turn."""
    prefix = str(next(Path(checkpoint).glob("*.index"))).removesuffix(".index")
    runs = {"ours": [], "tf-models": [], "ours, verify": []}
    for number in range(rounds):
        ours = str(Path(folder) / f"ours{number}")
        theirs = str(Path(folder) / f"theirs{number}")
        runs["ours"].append(measure([*OURS, "convert", checkpoint, "--to", "tf2", "--output_dir", ours])[:2])
        flags = {
            "bert_config_file": str(Path(checkpoint) / "bert_config.json"),
            "checkpoint_to_convert": prefix,
            "converted_checkpoint_path": f"{theirs}/bert_model.ckpt",
        }
        module = "official.nlp.tools.tf2_bert_encoder_checkpoint_converter"
        command = [sys.executable, "-m", module, *(f"--{name}={value}" for name, value in flags.items())]
        runs["tf-models"].append(measure(command)[:2])
        runs["ours, verify"].append(measure([*OURS, "verify", checkpoint, ours])[:2])
    for name, results in runs.items():
        seconds, memory = zip(*results, strict=True)
        print(
            f"{name}: {statistics.median(seconds):.1f} s ({min(seconds):.1f}-{max(seconds):.1f}), {max(memory):.0f} MB"
        )
    ratios = [a[0] / b[0] for a, b in zip(runs["tf-models"], runs["ours"], strict=True)]
    print(f"tf-models' time / ours: {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", help="folder of a TF1 checkpoint with bert_config.json")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print_table(arguments.checkpoint, folder)
        print_ratio(arguments.checkpoint, folder, arguments.rounds)


if __name__ == "__main__":
    main()
