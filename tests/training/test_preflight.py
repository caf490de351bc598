"""The doctor command: packages, devices and output folders."""

import sys

import pytest

from keras_negaposi import doctor
from keras_negaposi.training import preflight

NEEDED = ["tensorflow==2.20.*", "tf-keras==2.20.*", "scipy>=1.11,<2", 'faiss-cpu>=1.10; extra == "ann"']


@pytest.mark.parametrize(
    "installed, problems",
    [
        ({"tensorflow": "2.20.0", "tf-keras": "2.20.1", "scipy": "1.16.0"}, []),
        ({"tensorflow-tpu": "2.20.0", "tf-keras": "2.20.1", "scipy": "1.16.0", "libtpu": "0.0.17"}, []),
        (
            {"tensorflow-tpu": "2.20.0", "tf-keras": "2.20.1", "scipy": "1.16.0", "libtpu": "0.0.37"},
            ["libtpu 0.0.37: keras_negaposi needs <0.0.37,>=0.0.17; pip install 'libtpu<0.0.37,>=0.0.17'"],
        ),
        (
            {"tensorflow": "2.20.0", "tf-keras": "2.19.0", "scipy": "1.16.0"},
            ["tf-keras 2.19.0: keras_negaposi needs ==2.20.*; pip install 'tf-keras==2.20.*'"],
        ),
        (
            {"tensorflow": "2.20.0", "tensorflow-cpu": "2.20.0", "tf-keras": "2.20.1"},
            [
                "tensorflow and tensorflow-cpu overwrite each other's files; pip uninstall all, then install one",
                "scipy is missing: keras_negaposi needs <2,>=1.11; pip install 'scipy<2,>=1.11'",
            ],
        ),
    ],
)
def test_packages_of_other_versions_are_reported_with_the_fix(installed, problems):
    found = list(preflight.examine_packages(NEEDED, installed.get))
    assert [finding.line for finding in found if finding.problem] == problems
    assert any(finding.line.startswith("libtpu") for finding in found) == ("libtpu" in installed)


def test_installed_packages_and_a_usable_folder_are_no_problem(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(preflight, "LITTLE_DISK", 0)
    assert doctor.main([str(tmp_path / "new")]) == 0
    output = capsys.readouterr().out
    assert "tf-models-official 2.20" in output and "devices CPU:0" in output and "no problems found" in output
    assert f"python {sys.version_info.major}" in output and f"{tmp_path}/new: written, listed, read" in output


def test_an_unusable_folder_and_too_little_space_are_reported(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(preflight, "LITTLE_DISK", 10**18)
    (tmp_path / "file").write_text("")
    assert doctor.main([str(tmp_path / "file"), str(tmp_path)]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3].startswith(f"fix  {tmp_path}/file: cannot be made") and lines[-2].endswith("free some space")
    assert lines[-1] == "2 problems found"
