"""What every error is: a situation with a way out."""


class PocError(Exception):
    """A situation with a way out.

    Attributes:
        what: what happened, with the value that caused it.
        way_out: what to do about it, with the command where there is one.
        exit_status: 1 for a state that has to change, 2 for a call that has to change.
    """

    exit_status = 1

    def __init__(self, what: str, way_out: str) -> None:
        super().__init__(f"{what}\n  {way_out}")
        self.what = what
        self.way_out = way_out
