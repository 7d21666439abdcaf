"""What is measured: the store that the settings select, the same with blocks changed, and servers over them.

A changed configuration is made of Feast's loaded one, with what the environment overrides. No yaml is read.
"""

import json
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any, TypeVar

from feast import FeatureStore, RepoConfig
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from poc.child_process import Process, child_process
from poc.definitions import ServedFeatures
from poc.errors import FeatureServerUnavailable, MethodsUnavailable
from poc.feature_store import close_feature_store, connection_of, open_feature_store
from poc.measurement.comparison import BASELINE, KNOWN, ON_REQUEST
from poc.online_store.acsylla_reads import acsylla_is_installed
from poc.online_store.connection import ConnectionSettings, connection_settings
from poc.online_store.session import Session, cassandra_session
from poc.retrieval.feature_server_source import FeatureServerSource, open_feature_server_source
from poc.settings import Settings

ROW_STORE = "poc.online_store.row_store.CassandraRowOnlineStore"
ARROW_ENGINE = "poc.online_store.arrow_engine.ArrowMaterializationEngine"
RESOLVING_PROVIDER = "poc.online_store.provider.ResolvingProvider"
# Feast's own, which looks every name up in each call.
LOCAL_PROVIDER = "local"
REGISTRY = "registry_measured.db"

# Feast's import alone takes 4-8 s, more on a machine with other work.
START_SECONDS = 120.0
STOP_SECONDS = 40.0
POLL_SECONDS = 0.2

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Place:
    """What all ways read from: Feast's store as the yaml configures it, and a session to its Cassandra."""

    settings: Settings
    store: FeatureStore
    connection: ConnectionSettings
    session: Session


@contextmanager
def open_place(settings: Settings) -> Iterator[Place]:
    """Open the store that `settings` select, and a session to its Cassandra, until the block ends.

    Raises `NoCassandra` where the online store is kept elsewhere, `CassandraUnavailable` without an answer.
    """
    store = open_feature_store(settings)
    connection = connection_of(store)
    with cassandra_session(connection) as session, ExitStack() as opened:
        opened.callback(close_feature_store, store)
        yield Place(settings, store, connection, session)


def chosen_methods(
    store: FeatureStore,
    wanted: Sequence[str] | None,
    also: Sequence[str] = (),
    served: ServedFeatures | None = None,
) -> tuple[str, ...]:
    """Return the names of the ways to compare, in the results' order: the baseline, `wanted` and `also`.

    Without `wanted`, all that can be had here, for `served` where that is given, and are not compared on
    request only. `MethodsUnavailable`: one cannot be had.
    """
    missing = {}
    if keeps_rows(store):
        missing["feast-rows"] = "the yaml names the row store, and feast reads it"
    if store.config.provider == LOCAL_PROVIDER:
        missing["feast-unresolved"] = "the yaml names provider local, and feast reads so"
    guessed = [] if served is None else _guessed_keys(served)
    if guessed:
        missing["feast-unresolved"] = (
            f"Feast guesses the type of {', '.join(guessed)}, as the service calls a key, and finds nothing"
        )
    if not acsylla_is_installed():
        names = [name for name in KNOWN if name.endswith("acsylla")]
        missing |= dict.fromkeys(names, "acsylla is not installed: pip install acsylla")
    if wanted is None:
        wanted = [name for name in KNOWN if name not in missing and name not in ON_REQUEST]
    chosen = tuple(name for name in KNOWN if name in (BASELINE, *also, *wanted))
    refused = [f"{name}: {missing[name]}" for name in chosen if name in missing]
    if refused:
        raise MethodsUnavailable(refused)
    return chosen


def _guessed_keys(served: ServedFeatures) -> list[str]:
    """Name the renamed join keys whose type Feast, which takes it from the values, takes for another."""
    pairs = [
        pair
        for view in served.views
        for pair in zip(view.request_keys, view.definitions.join_keys, strict=True)
    ]
    return [asked for asked, key in pairs if asked != key.name and str(key.dtype) in ("Int32", "Float32")]


def keeps_rows(store: FeatureStore) -> bool:
    """Return whether the online store of `store` is the row store."""
    return getattr(store.config.online_store, "type", None) == ROW_STORE


def online_block(store: FeatureStore, **changed: object) -> dict[str, Any]:
    """Return what is stated of the online store of `store`, with some keys changed, for any folder."""
    stated: dict[str, Any] = store.config.online_store.model_dump(exclude_unset=True)
    tls = connection_settings(store.config).tls
    if tls is not None:
        # As stated, its paths are relative to the repository.
        stated["tls"] = asdict(tls)
    return stated | changed


def configuration(store: FeatureStore, **changed: object) -> RepoConfig:
    """Return the configuration of `store` with blocks changed, by their names in a feature_store.yaml."""
    stated = store.config.model_dump(by_alias=True, exclude_unset=True)
    return RepoConfig(**stated | {"online_store": online_block(store)} | changed)


def rows_configuration(store: FeatureStore, data_dir: Path) -> RepoConfig:
    """Return `store` on the row store, for measurements alone.

    Its project is another, with a registry in `data_dir`: the tables of whoever has the row store beside, as
    by feature_repo/stores/rows.yaml, are theirs, and so is what they serve.
    """
    return configuration(
        store,
        project=f"{store.project}_measured",
        provider=RESOLVING_PROVIDER,
        registry=str((data_dir / REGISTRY).resolve()),
        online_store=online_block(store, type=ROW_STORE),
        batch_engine={"type": ARROW_ENGINE},
    )


def open_configuration(config: RepoConfig) -> FeatureStore:
    """Open a store as `config` says. Connects to nothing."""
    return FeatureStore(repo_path=str(config.repo_path), config=config)


def write_configuration(config: RepoConfig, path: Path) -> Path:
    """Write `config` to `path` for a process that is to select it; return `path`. It may hold a password."""
    content = config.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"repo_path"})
    # JSON is YAML.
    path.write_text(json.dumps(content))
    path.chmod(0o600)
    return path


def free_port() -> int:
    """Ask the operating system for a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A server in a process of its own, whose output goes to `log`."""

    process: Process
    log: IO[str]

    def output(self) -> str:
        """Return what it has written so far."""
        self.log.seek(0)
        return self.log.read()

    def wait_for(self, ask: Callable[[], Answer], *refusals: type[Exception]) -> Answer:
        """Return what `ask` does once it raises none of `refusals`.

        The last of these, where the server ended or did not answer in two minutes.
        """
        retrying = Retrying(
            retry=retry_if_exception(lambda e: isinstance(e, refusals) and self.process.poll() is None),
            stop=stop_after_delay(START_SECONDS),
            wait=wait_fixed(POLL_SECONDS),
            reraise=True,
        )
        return retrying(ask)


@contextmanager
def server_process(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[ServerProcess]:
    """Run `command` until the block ends, with `environment` beside ours."""
    with TemporaryFile("w+") as log, child_process(command, log, STOP_SECONDS, environment) as process:
        yield ServerProcess(process, log)


@contextmanager
def feature_server(settings: Settings, store: FeatureStore) -> Iterator[FeatureServerSource]:
    """Run `feast serve` on a free port of 127.0.0.1 over `store`, and yield a source that reads from it.

    What is served is as configured here: Feast does not read our environment. Raises
    `FeatureServerUnavailable` where it does not start, and what opening the source raises.
    """
    port = free_port()
    asks = settings.model_copy(update={"feature_server_url": f"http://127.0.0.1:{port}"})
    with TemporaryDirectory() as folder:
        yaml = write_configuration(configuration(store), Path(folder) / "feature_store.yaml")
        command = [sys.executable, "-m", "feast.cli", "-c", str(settings.feast_repo_path), "-f", str(yaml)]
        command += ["serve", "--port", str(port), "--no-access-log"]
        with server_process(command, {}) as server:
            try:
                source = server.wait_for(lambda: open_feature_server_source(asks), FeatureServerUnavailable)
            except FeatureServerUnavailable as error:
                if server.process.poll() is None:
                    raise
                last = " ".join(server.output().strip().splitlines()[-1:])
                raise FeatureServerUnavailable(asks.feature_server_url, f"it ended: {last}") from error
            with closing(source):
                yield source
