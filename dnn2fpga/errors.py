"""The two ways in which a request can end short of what was asked."""


class Refusal(ValueError):
    """Bad input or usage: one line that says what, where, and what would work. The command line exits with 2."""


class Shortfall(RuntimeError):
    """The work was done and its result falls short (mismatch, accuracy, timing, size). Exits with 1.

    `figures` holds what was measured, under the keys of the command's `--json` answer.
    """

    def __init__(self, message: str, figures: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.figures = figures or {}
