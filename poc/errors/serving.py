"""A server that cannot answer, or not yet."""

from poc.online_store.errors import CallRefused, PocError


class RaceUnderWay(PocError):
    """One race is run at a time, so that races do not measure each other."""

    told = "Another race is being run on this server"
    way_out = "Start yours when that one has ended."


class Overloaded(PocError):
    """A process has as many requests in hand as it is to have at a time."""

    told = "The server has {most:,} requests in hand already"
    way_out = "Ask again in a second. For more at a time: WORKERS, or MAX_CONCURRENT_REQUESTS."


class StillOpening(PocError):
    """The server has only just started."""

    told = "The server is still loading the {component}"
    way_out = "Wait until /ready answers 200; it takes seconds."


class OpeningFailed(PocError):
    """Loading something failed in a way that nobody foresaw."""

    told = "Loading the {component} failed: {reason}"
    way_out = "The server's log has the traceback. It is tried again every second."


class ShuttingDown(PocError):
    """The server was told to stop."""

    told = "The server is shutting down"
    way_out = "Send requests to another one."


class RegistryHoldsCode(PocError):
    """The registry holds a pickled function, which a server does not run."""

    told = "The feature registry holds functions of on-demand or stream views, and servers run none of them"
    way_out = (
        "Give those views a registry of their own; or, where who writes the registry may run code, set"
        " REGISTRY_CODE=run."
    )


class WorkerEnded(PocError):
    """A process of a server that has several stopped by itself."""

    told = "Worker {pid} ended with status {status}; the server stops"
    way_out = "What it said last is above."


class AddressUnavailable(PocError):
    """The server cannot listen where it is told to."""

    told = "Cannot listen on {host}:{port}: {reason}"
    way_out = "Stop what is there, or take another: HOST and PORT, or --host and --port."


class ApiKeysMissing(CallRefused):
    """The server would be reached from other machines, and nothing says who may ask it."""

    told = "HOST={host} can be reached from other machines, and no API_KEYS say who may ask"
    way_out = (
        'API_KEYS=$(python -c "import secrets; print(secrets.token_urlsafe())"),'
        " or API_KEYS=off to answer everybody."
    )


class ServerNotReady(PocError):
    """A server that was started does not get ready."""

    told = "{url} did not become ready: {reason}"
    way_out = "The server's log says why."


class PredictionRefused(PocError):
    """A server does not answer a request with a prediction."""

    told = "{url}/predict gave no prediction: {said}"
    way_out = "Correct what it says, and ask again."
