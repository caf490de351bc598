"""How a command can end early through what the user gave, or wants."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is a single line that names the file or option, the place in it, and the mend. Commands print it
    and exit with code 2; library callers catch it as a ``ValueError``.
    """


class Stopped(Exception):
    """The user, or the machine, has asked for an end, and what was done is kept; the message says how to go on.

    Attributes:
        signal: its number.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = signal
