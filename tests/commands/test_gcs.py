"""Everything on gs://, by TensorFlow's own file system, against an emulator."""

import json
import os

import pytest

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.gcs import probe
from tests.helpers.forked import Python
from tests.helpers.gcs import Fault, emulated_gcs
from tests.helpers.ports import free_ports

TRY_AGAIN = "; run the same command again"
ACCOUNT = "service-7@cloud-tpu.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def gcs(tmp_path_factory):
    with emulated_gcs(tmp_path_factory.mktemp("gcs")) as found:
        found.make_bucket("bucket")
        yield found


def start(gcs, module, *arguments):
    """Starts a separate process; only it sees the emulator."""
    return Python("-m", f"keras_negaposi.{module}", *arguments, environment=os.environ | gcs.environment)


def finish(process, module):
    """Returns (exit code, stdout, error lines)."""
    output, errors = process.communicate()
    ours = f"python -m keras_negaposi.{module}: error"
    return process.returncode, output, [line for line in errors.splitlines() if line.startswith(ours)]


def call(gcs, module, *arguments):
    return finish(start(gcs, module, *arguments), module)


def flags(tiny, folder, **more):
    options = tiny.flags | {"output_dir": folder, "max_seq_length": 37, "num_train_epochs": 1, "rank_queries": 0} | more
    return [f"--{name}={value}" for name, value in options.items()]


@pytest.fixture(scope="module")
def remote(gcs, tiny):
    """Puts the inputs on gs:// and returns their flags."""
    for path in tiny.folder.iterdir():
        gcs.write("bucket", f"inputs/{path.name}", path.read_bytes())
    return {name: f"gs://bucket/inputs/{path.rpartition('/')[2]}" for name, path in tiny.flags.items()}


@pytest.mark.slow
def test_a_run_on_gs_that_is_broken_off_twice_ends_as_one_on_this_disk(gcs, tiny, remote, tmp_path):
    """Every path is on gs://."""
    more = {"precision": "float32", "dev_share": 0.3, "num_train_epochs": 30 * 32 / 126, "save_checkpoints_steps": 7}
    here, there, records = tmp_path / "run", "gs://bucket/runs/first", "gs://bucket/records"
    code, output, error = call(gcs, "train", *flags(tiny, here, **more))
    assert code == 0, error

    wanted = ("--honbun", "--negaposi", "--model_file", "--vocab_file", "--max_seq_length", "--output_dir")
    prepared = [flag for flag in flags(tiny, records, **remote) if flag.startswith(wanted)]
    code, output, error = call(gcs, "prepare", *prepared, "--dev_share=0.3")
    assert code == 0 and f"records in {records}: train 126 pairs" in output, error

    gcs.faults[:] = [Fault("POST /upload", 503, "busy", count=2)]  # TensorFlow tries these again
    process = start(gcs, "train", *flags(tiny, there, **more, **remote, records=records, log_every_steps=2))
    assert f"reused: records in {records}" in after(process, "step 10/30")
    assert gcs.faults[0].count == 0
    gcs.faults[:] = [Fault("/bucket", 404, "The specified bucket does not exist.")]
    code, output, error = finish(process, "train")
    gcs.faults.clear()
    assert code == 2 and len(error) == 1 and "bucket or object not found (HTTP 404)" in error[0], error

    process = start(gcs, "train", "--resume", "--output_dir", there)
    after(process, "step 18/30")
    process.kill()
    process.communicate()

    code, output, error = call(gcs, "train", "--resume", "--output_dir", there)
    assert code == 0 and "taken over from process" in output and "resumed at step 1" in output, error
    assert json.loads((here / "calibration.json").read_bytes())["hybrid"]
    for name in ("metrics.json", "scores_test.tsv", "scores_test_neural.tsv", "calibration.json", "lexical.npz"):
        assert gcs.read("bucket", f"runs/first/{name}") == (here / name).read_bytes()
    assert [line for line in gcs.requests if "in_use.lock" in line][-1].startswith("DELETE")

    (tmp_path / "pairs").write_text("りんごを買う。\tりんごを洗う。\n", encoding="utf-8")
    code, output, error = call(gcs, "predict", there, "--input", tmp_path / "pairs")
    assert code == 0 and 0 < float(output.split()[0]) < 1, error


def after(process, beginning):
    """Returns the output up to a line that begins with this text."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(beginning):
            return "".join(lines)
    raise AssertionError(process.communicate()[1])


@pytest.mark.parametrize(
    "fault, bucket, message",
    [
        (
            Fault("POST /upload", 403, f"{ACCOUNT} does not have storage.objects.create access."),
            "bucket",
            f"{ACCOUNT} lacks permission (HTTP 403); grant it roles/storage.objectAdmin: gcloud storage buckets "
            f"add-iam-policy-binding gs://bucket --member=serviceAccount:{ACCOUNT} --role=roles/storage.objectAdmin",
        ),
        (
            Fault(
                "GET /storage/v1/b/bucket$|GET /storage/v1/b/bucket[?]", 403, "me@example.org lacks storage.buckets.get"
            ),
            "bucket",
            "--member=user:me@example.org --role=roles/storage.legacyBucketReader",
        ),
        (
            None,
            "gone",
            "bucket gs://gone not found; check the name, or create it: gcloud storage buckets create gs://gone",
        ),
        (Fault("POST /upload", 503, "busy"), "bucket", "does not answer as it should (HTTP 503); run the same"),
    ],
)
def test_a_location_that_cannot_be_used_is_named_before_anything_is_done(gcs, tiny, fault, bucket, message):
    gcs.faults[:] = [fault] if fault else []
    code, output, error = call(gcs, "train", *flags(tiny, f"gs://{bucket}/runs/second"))
    gcs.faults.clear()
    assert code == 2 and len(error) == 1 and message in error[0], (output, error)
    assert "training in" not in output


def test_a_probe_leaves_nothing(tmp_path):
    for folder in (str(tmp_path / "local"), f"ram://{tmp_path}/remote"):
        probe(folder)
    assert not os.listdir(tmp_path / "local")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be created"):
        probe(str(tmp_path / "file"))


def test_the_doctor_tries_a_bucket_and_waits_for_slow_answers(gcs):
    gcs.faults[:] = [Fault("bucket", seconds=0.3, count=5), Fault("POST /upload", 503, "busy", count=1)]
    code, output, error = call(gcs, "doctor", "gs://bucket/new", "gs://gone/new")
    unused = [fault.count for fault in gcs.faults]
    gcs.faults.clear()
    assert code == 2 and not error and unused == [0, 0]
    good, bad, end = output.splitlines()[-3:]
    assert good == "ok   gs://bucket/new: written, listed, read, deleted"
    assert bad.startswith("fix  gs://gone/new: bucket gs://gone not found") and end == "1 problem found"


WORKER = """
import sys, tensorflow as tf
tf.distribute.Server({"worker": [sys.argv[1]]}, job_name="worker", task_index=0).join()
"""
HOST = """
import sys, tensorflow as tf
from checkpoints_tools.common.gcs import check_read, probe
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import write_text
from keras_negaposi.training.strategies import worker_machines
tf.config.experimental_connect_to_host(sys.argv[1])
write_text("gs://bucket/seen/metadata.json", "{}")
for work in (lambda: probe("gs://bucket/new", worker_machines()),
             lambda: check_read("gs://bucket/seen/metadata.json", worker_machines())):
    try:
        work()
        print("read by", *worker_machines())
    except InputError as error:
        print(error)
print(tf.io.gfile.listdir("gs://bucket/new"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("reachable", [True, False])
def test_another_machine_has_to_read_too(gcs, reachable):
    """The machine of a TPU is such a worker: it has another account and another route to the bucket."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    way = {} if reachable else {"https_proxy": f"http://127.0.0.1:{free_ports(1)[0]}"}
    worker = Python("-c", WORKER, address, environment=os.environ | gcs.environment | way)
    try:
        output, _ = Python("-c", HOST, address, environment=os.environ | gcs.environment).communicate()
    finally:
        worker.kill()
        worker.communicate()
    probed, checked, left = output.splitlines()
    assert left == "[]"
    device = "/job:worker/replica:0/task:0/device:CPU:0"
    if reachable:
        assert probed == checked == f"read by {device}"
    else:
        assert probed.startswith("gs://bucket/new/probe-")
        assert checked.startswith(f"gs://bucket/seen/metadata.json: cannot be read by {device}: ")
        assert f"cannot be read by {device}: " in probed
        assert probed.endswith(TRY_AGAIN) and checked.endswith(TRY_AGAIN)
