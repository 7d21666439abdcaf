"""A server that cannot answer, or not yet."""

from poc.errors.base import PocError


class RaceUnderWay(PocError):
    """One race is run at a time, so that races do not measure each other."""

    def __init__(self) -> None:
        super().__init__("Another race is being run on this server", "Start yours when that one has ended.")


class StillOpening(PocError):
    """The server has only just started."""

    def __init__(self, component: str) -> None:
        what = f"The server is still loading the {component}"
        super().__init__(what, "Wait until /ready answers 200; it takes seconds.")


class OpeningFailed(PocError):
    """Loading something failed in a way that nobody foresaw."""

    def __init__(self, component: str, error: Exception) -> None:
        what = f"Loading the {component} failed: {type(error).__name__}: {error}"
        super().__init__(what, "The server's log has the traceback. It is tried again every second.")


class ShuttingDown(PocError):
    """The server was told to stop."""

    def __init__(self) -> None:
        super().__init__("The server is shutting down", "Send requests to another one.")


class WorkerEnded(PocError):
    """A process of a server that has several stopped by itself."""

    def __init__(self, pid: int, status: int | None) -> None:
        what = f"Worker {pid} ended with status {status}; the server stops"
        super().__init__(what, "What it said last is above.")


class AddressUnavailable(PocError):
    """The server cannot listen where it is told to."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        way_out = "Stop what is there, or take another: HOST and PORT, or --host and --port."
        super().__init__(f"Cannot listen on {host}:{port}: {reason}", way_out)
