"""A server that cannot answer, or not yet."""

from poc.errors.base import CallRefused, PocError


class RaceUnderWay(PocError):
    """One race is run at a time, so that races do not measure each other."""

    def __init__(self) -> None:
        super().__init__("Another race is being run on this server", "Start yours when that one has ended.")


class Overloaded(PocError):
    """A process has as many requests in hand as it is to have at a time."""

    def __init__(self, most: int) -> None:
        way_out = "Ask again in a second. For more at a time: WORKERS, or MAX_CONCURRENT_REQUESTS."
        super().__init__(f"The server has {most:,} requests in hand already", way_out)


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


class RegistryHoldsCode(PocError):
    """The registry holds a pickled function, which a server does not run."""

    def __init__(self) -> None:
        super().__init__(
            "The feature registry holds functions of on-demand or stream views, and servers run none of them",
            "Give those views a registry of their own; or, where who writes the registry may run code, set"
            " REGISTRY_CODE=run.",
        )


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


class ApiKeysMissing(CallRefused):
    """The server would be reached from other machines, and nothing says who may ask it."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"HOST={host} can be reached from other machines, and no API_KEYS say who may ask",
            'API_KEYS=$(python -c "import secrets; print(secrets.token_urlsafe())"),'
            " or API_KEYS=off to answer everybody.",
        )


class ServerNotReady(PocError):
    """A server that was started does not get ready."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} did not become ready: {reason}", "The server's log says why.")


class PredictionRefused(PocError):
    """A server does not answer a request with a prediction."""

    def __init__(self, url: str, said: str) -> None:
        super().__init__(f"{url}/predict gave no prediction: {said}", "Correct what it says, and ask again.")
