"""Makes the README's picture: the top of a run's report as a PNG file.

    python tests/benchmarks/screenshot.py runs/first/report.html .github/report.png

It needs Chromium (Debian: apt install chromium) and a Japanese font (fonts-noto-cjk).
"""

import argparse
import pathlib
import shutil
import subprocess
import tempfile

SIZE = "1000,1000"
"""Width and height in pixels."""
LARGEST = 200_000
"""Bytes."""
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run")


def take(page: pathlib.Path, picture: pathlib.Path) -> None:
    """Renders the top of a page; raises an error if the picture gets too large for a README."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        raise SystemExit("Chromium is not installed")
    with tempfile.TemporaryDirectory() as profile:
        command = [chromium, *OPTIONS, f"--user-data-dir={profile}", f"--window-size={SIZE}"]
        subprocess.run(
            [*command, f"--screenshot={picture.resolve()}", page.resolve().as_uri()], check=True, timeout=120
        )
    if picture.stat().st_size > LARGEST:
        raise SystemExit(f"{picture}: {picture.stat().st_size:,} bytes, more than {LARGEST:,}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=pathlib.Path)
    parser.add_argument("picture", type=pathlib.Path)
    take(**vars(parser.parse_args()))
