"""Processes from the fork server are real ones: with arguments, an environment, pipes and an end of their own."""

import os
import signal

import pytest

from tests.helpers.forked import LOADED, Python

SAYS = """
import os, sys
print(sys.argv[1:], os.environ.get("MINE"), os.getcwd(), os.getpid())
print("bad", file=sys.stderr)
"""


def ended(*arguments, **options):
    process = Python(*arguments, **options)
    return *process.communicate(), process.returncode


def test_arguments_environment_folder_pipes_and_exit_code(tmp_path):
    given = {"environment": os.environ | {"MINE": "x"}, "folder": tmp_path}
    output, errors, code = ended("-c", f"{SAYS}sys.exit(3)", "a", 1, **given)
    *printed, number = output.split()
    assert printed == ["['a',", "'1']", "x", str(tmp_path)] and int(number) != os.getpid()
    assert (errors, code) == ("bad\n", 3) and "MINE" not in os.environ


def test_stderr_joins_stdout():
    output, errors, code = ended("-c", SAYS, merged=True)
    assert (sorted(output.splitlines())[1], errors, code) == ("bad", "", 0)


def test_an_exception_is_a_traceback_and_an_exit_code():
    output, errors, code = ended("-c", "raise OSError('mine')")
    assert (output, code) == ("", 1) and errors.endswith("OSError: mine\n")


def test_the_packages_are_loaded_and_no_operation_has_run():
    """Devices can be configured only before the first operation."""
    code = "import sys, tensorflow as tf; cpu = tf.config.list_physical_devices('CPU')[0]; "
    code += "tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2); "
    code += f"assert set({LOADED}) < set(BEFORE); print(len(tf.config.list_logical_devices('CPU')))"
    assert ended("-c", f"import sys; BEFORE = set(sys.modules); {code}") == ("2\n", "", 0)


def test_a_command_runs_as_main_and_a_script_as_a_file(tmp_path):
    _, errors, code = ended("-m", "keras_negaposi.train", "--output_dirr=x")
    assert code == 2 and errors.startswith("python -m keras_negaposi.train: error: ") and errors.count("\n") == 1
    (tmp_path / "script.py").write_text("import sys; print(__name__, __file__ == sys.argv[0], *sys.argv[1:])")
    assert ended(tmp_path / "script.py", "x") == ("__main__ True x\n", "", 0)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_signal_ends_it(number):
    process = Python("-c", "import time; print('started', flush=True); time.sleep(60)")
    assert process.stdout.readline() == "started\n" and process.poll() is None
    process.send_signal(number)
    assert process.communicate()[0] == "" and process.returncode == process.poll() == -number


def test_one_that_hangs_is_killed():
    process = Python("-c", "import time; time.sleep(60)")
    process.communicate(timeout=0.2)
    assert process.returncode == -signal.SIGKILL
