"""Google Cloud Storage: checks whether a location is usable, and explains failed requests.

The checks go through ``tf.io.gfile`` and not google-cloud-storage, since TensorFlow has its own client, whose
credentials and permissions matter here.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterable
from contextlib import suppress

from checkpoints_tools.common.errors import RUN_AGAIN, InputError
from checkpoints_tools.common.files import join, list_folder, make_folder, read_bytes, remove, write_bytes

OBJECT_ROLE = "roles/storage.objectAdmin"
BUCKET_ROLE = "roles/storage.legacyBucketReader"  # TensorFlow checks whether the bucket exists


def probe(folder: str, readers: Iterable[str] = ()) -> None:
    """Creates a folder if there is none, then writes, lists, reads and deletes a small file in it.

    Args:
        folder: a local path, or any path that ``tf.io.gfile`` supports.
        readers: TensorFlow's names of devices whose machines must be able to list and read the file too.

    Raises:
        InputError: one of these steps fails; the message names it and the fix.
    """
    name = f"probe-{uuid.uuid4().hex}"
    path, content = join(folder, name), os.urandom(16)
    doing = "created"
    try:
        make_folder(folder)
        doing = "written to"
        write_bytes(path, content)
        try:
            doing = "listed"
            if name not in list_folder(folder):
                raise InputError(f"{folder}: a file written there is not listed; do all machines see the same folder?")
            doing = "read from"
            if read_bytes(path) != content:
                raise InputError(
                    f"{folder}: a file written there has other content when it is read; give another folder"
                )
            check_read(path, readers)
        except Exception:
            with suppress(Exception):  # report the first error
                remove(path)
            raise
        doing = "cleared"
        remove(path)
    except OSError as error:
        reason = error.strerror
        raise InputError(
            f"{folder}: cannot be {doing}: {reason}; give another folder, or fix its permissions"
        ) from None
    except Exception as error:
        problem = storage_problem(error)
        if not problem:
            raise
        raise InputError(f"{folder}: cannot be {doing}: {problem}") from None


def check_read(path: str, readers: Iterable[str]) -> None:
    """Lists and reads a file on other machines, which have their own accounts and networks.

    Args:
        path: path of a file.
        readers: as in `probe`.

    Raises:
        InputError: a machine cannot read it; the message names the machine and the fix.
    """
    import tensorflow as tf

    content = read_bytes(path)
    for device in readers:
        try:
            with tf.device(device):
                listed, found = tf.io.matching_files(f"{path}*").numpy(), tf.io.read_file(path).numpy()
        except tf.errors.OpError as error:
            reason = storage_problem(error) or error.message
            raise InputError(f"{path}: cannot be read by {device}: {reason}") from None
        if path.encode() not in listed or found != content:
            raise InputError(
                f"{path}: {device} does not see the file that this machine wrote; do both see the same folder?"
            )


def storage_problem(error: Exception) -> str | None:
    """Explains an error of TensorFlow's Google Cloud Storage file system, with the fix; ``None`` for other errors."""
    text = str(error)
    location = re.search(r"gs://([^/\s;]+)\S*", text)
    code = re.search(r"HTTP response code (\d+)", text)
    if "HTTP request" not in text or not (code or "libcurl" in text):
        return None
    where, bucket = (f"{location[0]}: ", f"gs://{location[1]}") if location else ("", "gs://BUCKET")
    if code and code[1] in ("401", "403"):
        account = re.search(r"[\w.-]+@[\w.-]+", text)
        who, role = account[0] if account else "ACCOUNT", BUCKET_ROLE if "storage.buckets." in text else OBJECT_ROLE
        kind = "serviceAccount" if not account or who.endswith("gserviceaccount.com") else "user"
        return (
            f"{where}{who if account else 'this account'} lacks permission (HTTP {code[1]}); grant it {role}: "
            f"gcloud storage buckets add-iam-policy-binding {bucket} --member={kind}:{who} --role={role}"
        )
    if code and code[1] == "404":
        return f"{where}bucket or object not found (HTTP 404); check the name, and that nothing deletes it"
    reason = f"HTTP {code[1]}" if code else text.split("error details:")[-1].split("\n")[0].strip()
    return f"{where}Google Cloud Storage does not answer as it should ({reason}); {RUN_AGAIN}"
