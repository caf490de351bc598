"""The one error that a user's input can cause."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is a single line that names the file or option, the place in it, and the mend. Commands print it
    and exit with code 2; library callers catch it as a ``ValueError``.
    """
