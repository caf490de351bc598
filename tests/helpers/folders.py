"""What a folder holds, to see that a command changed nothing in it."""


def snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
