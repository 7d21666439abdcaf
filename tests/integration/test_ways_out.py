"""Every error names a way out, and it leads out: each is brought about, followed to the letter, and gone.

A way out may end in another error, whose own way out goes on; one that comes twice is a circle.
"""

import importlib
import pkgutil
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cards import CARDS, DAY, NOW, ROWS, TWO, Cards
from own_environment import own_environment
from own_sessions import apply_definitions
from ports import free_port
from warm_python import warm

import poc
from poc import errors
from poc.feature_store import close_feature_store, open_feature_store
from poc.materialization.rebuild import roll_back
from poc.online_store import errors as store_errors
from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import Session

ROOT = Path(__file__).parents[2]
MOST_STEPS = 4
STOCK = "cassandra"
MATERIALIZE, SETUP = ("scripts/feast_materialize.py",), ("scripts/feast_setup.py",)
CHECK, COMPARE = ("scripts/test_feast.py",), ("scripts/compare_feast_cassandra.py", "--requests", "20")


@pytest.fixture
def cards(tmp_path: Path, cassandra: ConnectionSettings, keyspace: str, session: Session) -> Cards:
    return Cards(tmp_path, cassandra, keyspace, session)


@dataclass(frozen=True)
class Way:
    """How a person gets into an error, and what of the way out a person has to do by hand.

    Attributes:
        into: brings it about.
        asked: the script that then says it.
        says: how.
        by_hand: what the way out leaves to a person; None for nothing.
        again: what succeeds at the end; what was asked for None.
        times: what the words in capitals of a command stand for.
    """

    into: Callable[[Cards], None]
    asked: tuple[str, ...]
    says: str
    by_hand: Callable[[Cards], None] | None = None
    again: tuple[str, ...] | None = None
    times: tuple[str, ...] = ()


def filled(cards: Cards, layout: str = ROWS, **online: Any) -> None:
    cards.declare(layout, **online)
    cards.load(1)
    cards.materialize()


def only_declared(cards: Cards) -> None:
    cards.load(1)
    cards.declare(apply=False)


def without_table(cards: Cards) -> None:
    filled(cards, STOCK)
    cards.session.execute(f"DROP TABLE {cards.keyspace}.cards_project_cards")


def never_filled(cards: Cards) -> None:
    cards.load(1)
    cards.declare()


def retyped(cards: Cards) -> None:
    filled(cards)
    cards.declare(fields=TWO.replace("Int64", "Float64"))
    cards.load(0.5)


def rekeyed(cards: Cards) -> None:
    filled(cards)
    cards.declare(key="String")
    cards.load(2, text=True)


def corrected(cards: Cards) -> None:
    filled(cards, STOCK)
    cards.load(2)


def taken_back(cards: Cards) -> None:
    filled(cards)
    cards.load(2)
    cards.materialize()
    roll_back(cards.settings)


def spoilt(cards: Cards) -> None:
    filled(cards)
    [table] = [name for name in cards.tables() if name.endswith("__g1")]
    for card in range(CARDS):
        cards.session.execute(
            f"UPDATE {cards.keyspace}.{table} USING TIMESTAMP {2**52} SET a = 77 WHERE card_id = {card}"
        )


def disagreeing(cards: Cards) -> None:
    filled(cards)
    table = next(name for name in cards.tables() if name.endswith("__direct"))
    cards.session.execute(f"UPDATE {cards.keyspace}.{table} SET a = 77 WHERE card_id = 3")


def damaged_registry(cards: Cards) -> None:
    filled(cards)
    (cards.folder / "registry.db").write_bytes(b"no registry")


def syntax_error(cards: Cards) -> None:
    filled(cards)
    shutil.copy(cards.folder / "features.py", cards.folder.parent / "right.py")
    (cards.folder / "features.py").write_text("card = Entity(")


def correct_features(cards: Cards) -> None:
    shutil.copy(cards.folder.parent / "right.py", cards.folder / "features.py")


def edit_yaml(old: str, new: str) -> Callable[[Cards], None]:
    def edit(cards: Cards) -> None:
        path = cards.folder / "feature_store.yaml"
        text = path.read_text()
        assert re.search(old, text), text
        path.write_text(re.sub(old, new, text))

    return edit


def stated(block: str, layout: str = ROWS) -> Callable[[Cards], None]:
    """Fill, then state `block` in online_store."""

    def into(cards: Cards) -> None:
        filled(cards, layout)
        edit_yaml("online_store:\n", f"online_store:\n  {block}\n")(cards)

    return into


def unstated(key: str) -> Callable[[Cards], None]:
    return edit_yaml(rf"  {key}:.*\n", "")


def nowhere(cards: Cards) -> None:
    filled(cards)
    edit_yaml(r"port: \d+", f"port: {free_port()}")(cards)


def start_it(cards: Cards) -> None:
    """Stand in for starting one, which tests/integration/test_start_cassandra.py does: it is there again."""
    edit_yaml(r"port: \d+", f"port: {cards.cassandra.port}")(cards)


def copies(count: int) -> Callable[[Cards], None]:
    """State how many copies the keyspace has; there is one node."""

    def alter(cards: Cards) -> None:
        replication = f"{{'class': 'NetworkTopologyStrategy', 'datacenter1': {count}}}"
        cards.session.execute(f"ALTER KEYSPACE {cards.keyspace} WITH replication = {replication}")

    return alter


def on_nodes_that_are_not_there(cards: Cards) -> None:
    filled(cards, consistency_level="QUORUM")
    copies(3)(cards)


def without_column(cards: Cards) -> None:
    cards.load(1)
    cards.declare(fields=TWO)
    cards.declare(fields=f'{TWO}, Field(name="missing", dtype=Int64)', apply=False)


def without_source(cards: Cards) -> None:
    filled(cards)
    cards.path.unlink()


WAYS: dict[type[errors.PocError], Way] = {
    store_errors.FeaturesNotApplied: Way(only_declared, MATERIALIZE, "has no feature service"),
    store_errors.OnlineTableMissing: Way(without_table, CHECK, "has no table"),
    store_errors.FeaturesNotMaterialized: Way(never_filled, CHECK, "has never been materialized"),
    store_errors.FeaturesOutdated: Way(rekeyed, CHECK, "but is now declared as"),
    errors.DirectTableDiffers: Way(retyped, MATERIALIZE, "was made for other definitions"),
    errors.ValuesInTheWay: Way(corrected, MATERIALIZE, "holds what the sources cannot replace"),
    errors.LoadTakenBack: Way(taken_back, MATERIALIZE, "taken back"),
    errors.NoGenerations: Way(
        lambda cards: filled(cards, STOCK),
        (*MATERIALIZE, "--rollback"),
        "keeps one set of values only",
        again=MATERIALIZE,
    ),
    store_errors.NoEarlierGeneration: Way(
        filled, (*MATERIALIZE, "--rollback"), "No generation of feature view cards is kept", again=MATERIALIZE
    ),
    errors.NothingToMaterialize: Way(
        filled,
        (*MATERIALIZE, "--start", "2020-01-01", "--end", "2020-02-01"),
        "No row of",
        again=MATERIALIZE,
        times=((NOW - 2 * DAY).isoformat(), NOW.isoformat()),
    ),
    errors.OnlineValuesDiffer: Way(spoilt, MATERIALIZE, "Online values differ"),
    errors.ValuesDiffer: Way(disagreeing, COMPARE, "The ways of reading disagree"),
    errors.RegistryUnreadable: Way(damaged_registry, MATERIALIZE, "Cannot use Feast's registry"),
    errors.InvalidDefinitions: Way(syntax_error, SETUP, "SyntaxError", correct_features),
    errors.ColumnsMissing: Way(
        without_column, SETUP, "has no column missing", lambda cards: cards.declare(apply=False)
    ),
    errors.DatasetNotPrepared: Way(without_source, MATERIALIZE, "is not there", lambda cards: cards.load(1)),
    store_errors.ReplicationDiffers: Way(
        stated("replication: {datacenter1: 3}"), SETUP, "has replication", unstated("replication")
    ),
    store_errors.StoreSettingUnusable: Way(
        stated("write_concurrency: 0", STOCK),
        SETUP,
        "write_concurrency is 0",
        unstated("write_concurrency"),
    ),
    store_errors.DataCentreUnknown: Way(
        stated("local_dc: nowhere"), SETUP, "has no data centre", unstated("local_dc")
    ),
    store_errors.ReplicasMissing: Way(
        on_nodes_that_are_not_there, MATERIALIZE, "QUORUM asks for 2 replicas of a row", copies(1)
    ),
    store_errors.CassandraUnavailable: Way(nowhere, SETUP, "Cannot reach Cassandra", start_it),
}


COMMAND = re.compile(r"(?:mv|python|feast) (?:(?!  |&&|[;,()]| or ).)+")


@dataclass
class Person:
    """Somebody who types what errors say, and goes no way twice."""

    cards: Cards
    way: Way
    seen: list[str]

    def get_done(self, command: Sequence[str], met: int) -> None:
        """Run a script until it succeeds, going each way out that is named."""
        for _ in range(MOST_STEPS):
            done = run(self.cards, "python", *command)
            if done.returncode == 0:
                return
            assert done.returncode in (met, 1), done.stdout + done.stderr
            self.leave(*said(done))
            if command == self.way.asked and self.way.again is not None:
                command = self.way.again
        raise AssertionError(f"still not out after {self.seen}")

    def leave(self, what: str, way_out: str) -> None:
        assert what not in self.seen, f"a circle: {self.seen}"
        self.seen.append(what)
        by_hand = self.way.by_hand if len(self.seen) == 1 else None
        if by_hand is not None:
            by_hand(self.cards)
        typed = [found.rstrip(" .").split() for found in COMMAND.findall(way_out)]
        assert typed or by_hand is not None, f"no command in: {way_out}"
        for program, *arguments in typed:
            if program == "mv":
                subprocess.run(["mv", *arguments], cwd=ROOT, check=True)
            elif program == "feast":
                named = [str(self.cards.folder) if word == "feature_repo" else word for word in arguments]
                done = run(self.cards, "feast", *named)
                assert done.returncode == 0, done.stderr
            elif arguments[0] != "scripts/start_cassandra.py":
                given = iter(self.way.times)
                self.get_done([next(given) if word == "TIME" else word for word in arguments], 1)


def run(cards: Cards, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [warm(program), *arguments],
        cwd=ROOT,
        env=own_environment() | cards.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def said(done: "subprocess.CompletedProcess[str]") -> tuple[str, str]:
    """Return what a script found wrong, and the way out that it named."""
    assert "Traceback" not in done.stderr
    what, _, way_out = done.stderr.partition("✗ ")[2].rstrip().rpartition("\n  ")
    assert what, done.stdout + done.stderr
    return what, way_out


# What another test brings about and follows to its end.
FOLLOWED: dict[type[errors.PocError], str] = {
    store_errors.SourceChanged: (
        "integration/test_generations.py::"
        "test_source_that_is_replaced_while_it_is_materialized_is_not_recorded"
    ),
    store_errors.RebuildRunning: "integration/test_generations.py::test_of_two_full_runs_at_once_one_says_so",
    store_errors.NotApplied: (
        "integration/online_store/test_arrow_engine_safety.py::"
        "test_view_whose_table_is_missing_is_named_with_the_way_out"
    ),
    **dict.fromkeys(
        (store_errors.TypeChanged, store_errors.KeyChanged, store_errors.WrittenByAnotherEngine),
        "integration/test_ways_out.py::"
        "test_way_out_of_feasts_own_command_leads_out_for_a_view_that_no_service_takes",
    ),
    store_errors.CassandraLoginRefused: (
        "faults/test_secure.py::test_setup_materialization_and_reads_of_both_sources_work"
    ),
    store_errors.RoleLacksRight: "faults/test_secure.py::test_each_role_may_do_its_work_and_nothing_else",
    store_errors.RefusedByGuardrail: (
        "integration/test_guardrails.py::test_stated_level_and_few_keys_a_statement_are_enough_for_every_step"
    ),
    store_errors.CassandraTlsFailed: (
        "faults/test_secure.py::test_a_certificate_of_somebody_else_is_refused_and_the_own_one_taken"
    ),
    store_errors.ProtocolRefused: (
        "integration/test_connection.py::test_a_server_of_protocol_4_is_spoken_to_in_it"
    ),
    errors.FeatureServerUnavailable: (
        "integration/test_remote_serving.py::test_feature_server_that_dies_and_returns_needs_no_restart"
    ),
    errors.DatasetDrifted: (
        "integration/test_validation.py::test_meant_change_is_taken_and_is_normal_after_the_next_training"
    ),
    errors.ModelNotFound: (
        "integration/test_serving_outages.py::"
        "test_server_that_starts_before_cassandra_and_model_becomes_ready_by_itself"
    ),
    errors.ModelDatabaseUnusable: (
        "integration/test_training.py::test_damaged_database_is_named_and_can_be_left"
    ),
    errors.ModelFilesUnusable: (
        "unit/model/test_moved.py::test_files_that_cannot_be_kept_are_named_and_not_the_database"
    ),
    errors.StillOpening: (
        "integration/test_serving_outages.py::"
        "test_server_that_starts_before_cassandra_and_model_becomes_ready_by_itself"
    ),
}
NEEDS = "wants something of the machine that a test may not change: "
JUDGEMENT = "wants a decision, not a command: the message says between what: "
CALL = "the call itself is to be typed otherwise; the message says how, and unit tests hold the right form: "
# Why the rest is not followed by a test.
NOT_FOLLOWED: dict[str, tuple[str, ...]] = {
    f"{NEEDS}Java, the network, caches, ports, memory, disk, macOS": [
        "JavaNotFound",
        "JarsUnavailable",
        "JarDamaged",
        "CacheNotWritable",
        "FolderNotUsable",
        "PortTaken",
        "TooLittleMemory",
        "LoopbackAddressMissing",
        "TooLittleDisk",
        "CassandraCrashed",
        "CassandraStartTimeout",
        "CassandraElsewhere",
        "NotStartedHere",
        "OtherClusterRunning",
        "CredentialsLost",
        "NoClusterToDrill",
        "AddressUnavailable",
        "MonitoringPortTaken",
        "MonitoringFailed",
        "ProgramMissing",
        "OutputNotWritable",
        "DatasetNotWritten",
        "SparkNotStarted",
        "ExecutorsFailed",
    ],
    f"{NEEDS}a Docker engine": [
        "DockerUnavailable",
        "DockerFailed",
        "NotInDocker",
    ],
    f"{NEEDS}other versions of packages": [
        "FeastNotSupported",
        "StorePackageMissing",
        "DriverMissing",
        "ValidationNotInstalled",
        "ModelNotConvertible",
        "ScoresDisagree",
    ],
    f"{JUDGEMENT}which file, value, type or model is right": [
        "DatasetUnreadable",
        "DatasetMisnamed",
        "DatasetRefused",
        "TimesMisnamed",
        "TwoDatasets",
        "SourceMissing",
        "ReferenceUnreadable",
        "NullJoinKey",
        "MissingColumns",
        "WrongValueType",
        "ValueOutOfRange",
        "ValueOutOfBounds",
        "UnsupportedType",
        "TlsFilesUnusable",
        "SourceNotParquet",
        "SourceUnreadable",
        "LabelsUnavailable",
        "TooFewExamples",
        "ModelUnusable",
        "ModelNotOurs",
        "NotExplainable",
        "UnequalConsistency",
        "LoggingNotConfigured",
        "FeatureServerFailed",
        "FeaturesNotServed",
        "StaleFeatures",
        "UnknownEntity",
        "ModelRegistryUnavailable",
        "ModelMismatch",
        "DefinitionsChanged",
        "FeaturesMissing",
        "NotAcknowledged",
        "RebuildLost",
        "PredictionRefused",
        "BenchmarkFailed",
        "ResultsMissing",
    ],
    f"{CALL}": [
        "ApiKeysMissing",
        "HostsUnknown",
        "RegistryHoldsCode",
        "InvalidSettings",
        "NotInProjectFolder",
        "EnvironmentUnusable",
        "CredentialsUnusable",
        "NoCassandra",
        "TooFewTransactions",
        "MethodsUnavailable",
    ],
    "passes by itself while the server runs": [
        "RaceUnderWay",
        "Overloaded",
        "AnswerTooLate",
        "OpeningFailed",
        "ServerNotReady",
        "ShuttingDown",
        "WorkerEnded",
    ],
}


@pytest.mark.parametrize("kind", WAYS, ids=lambda kind: kind.__name__)
def test_way_out_leads_out(cards: Cards, kind: type[errors.PocError]) -> None:
    way = WAYS[kind]
    way.into(cards)
    first = run(cards, "python", *way.asked)
    assert first.returncode == kind.exit_status, first.stdout + first.stderr
    assert way.says in said(first)[0]
    person = Person(cards, way, [])
    person.get_done(way.asked, kind.exit_status)
    person.get_done(MATERIALIZE, 1)
    cards.require_equal()


MERCHANTS = """
merchant = Entity(name="merchant", join_keys=["{key}"], value_type=ValueType.INT64)
merchant_stats = FeatureView(name="merchant_stats", entities=[merchant], ttl=timedelta(days=30),
    source=FileSource(path={path!r}, timestamp_field="at"), schema=[Field(name="payments", dtype={kind})])
"""
ONE_VIEW = (*MATERIALIZE, "--view", "merchant_stats")


class Merchants:
    """A second view of the repository, which no service takes."""

    def __init__(self, cards: Cards, layout: str) -> None:
        self.cards, self.layout, self.path = cards, layout, cards.folder.parent / "merchants.parquet"
        cards.load(1)

    def declare(self, key: str = "merchant_id", kind: str = "Int64", apply: bool = True) -> None:
        self.cards.declare(self.layout, apply=False)
        with (self.cards.folder / "features.py").open("a") as features:
            features.write(MERCHANTS.format(path=str(self.path), key=key, kind=kind))
        if apply:
            apply_definitions(self.cards.settings)

    def load(self, number: float, key: str = "merchant_id") -> None:
        at = pa.array([NOW - DAY] * 3, pa.timestamp("us", tz="UTC"))
        pq.write_table(pa.table({key: range(3), "payments": [number] * 3, "at": at}), self.path)

    def by_feast(self) -> "subprocess.CompletedProcess[str]":
        interval = ((NOW - 2 * DAY).isoformat(), NOW.isoformat())
        folder = str(self.cards.folder)
        return run(self.cards, "feast", "-c", folder, "materialize", "-v", "merchant_stats", *interval)

    def served(self, key: str = "merchant_id") -> object:
        store = open_feature_store(self.cards.settings)
        try:
            answer = store.get_online_features(["merchant_stats:payments"], [{key: 1}])
            return answer.to_dict()["payments"][0]
        finally:
            close_feature_store(store)


def as_floats(merchants: Merchants) -> None:
    merchants.declare(kind="Float64")
    merchants.load(0.5)


def by_shop(merchants: Merchants) -> None:
    merchants.declare(key="shop_id")
    merchants.load(2, "shop_id")


def at_event_time(merchants: Merchants) -> None:
    edit_yaml("  write_time: now\n", "")(merchants.cards)
    merchants.load(2)


@pytest.mark.parametrize(
    ("layout", "change", "says", "key", "value"),
    [
        (ROWS, as_floats, "is bigint, but is now declared as double", "merchant_id", 0.5),
        (ROWS, by_shop, "its key is (merchant_id)", "shop_id", 2),
        (STOCK, at_event_time, "holds values written at wall-clock time", "merchant_id", 2),
    ],
    ids=["type", "key", "engine"],
)
def test_way_out_of_feasts_own_command_leads_out_for_a_view_that_no_service_takes(
    cards: Cards, layout: str, change: Callable[[Merchants], None], says: str, key: str, value: object
) -> None:
    merchants = Merchants(cards, layout)
    merchants.declare()
    merchants.load(1)
    if change is at_event_time:
        edit_yaml("batch_engine:\n", "batch_engine:\n  write_time: now\n")(cards)
    assert (done := merchants.by_feast()).returncode == 0, done.stdout + done.stderr
    cards.materialize()
    before = cards.tables()
    change(merchants)
    failed = merchants.by_feast()
    assert failed.returncode != 0
    assert says in failed.stdout + failed.stderr
    way_out = (failed.stdout + failed.stderr).partition(says)[2].partition("\n  ")[2].partition("\n")[0]
    [(_, *command)] = [found.rstrip(" .").split() for found in COMMAND.findall(way_out)]
    done = run(cards, "python", *command)
    assert done.returncode == 0, done.stderr
    assert "merchant_stats: 3 entities; no direct table" in done.stderr
    assert merchants.served(key) == value
    assert (done := merchants.by_feast()).returncode == 0, done.stdout + done.stderr
    assert cards.tables() == before
    cards.require_equal()


def test_way_out_of_a_run_of_one_view_leads_to_that_view(cards: Cards) -> None:
    merchants = Merchants(cards, STOCK)
    merchants.declare(apply=False)
    assert said(run(cards, "python", *ONE_VIEW))[0].endswith("has no feature view 'merchant_stats'")
    merchants.declare()
    unknown, _ = said(run(cards, "python", *MATERIALIZE, "--view", "merchant_stat"))
    assert unknown.endswith("has no feature view 'merchant_stat' (it has: cards, merchant_stats)")
    merchants.load(1)
    assert run(cards, "python", *ONE_VIEW).returncode == 0
    merchants.load(2)
    refused, way_out = said(run(cards, "python", *ONE_VIEW))
    assert "holds what the sources cannot replace" in refused
    [(_, *command)] = [found.rstrip(" .").split() for found in COMMAND.findall(way_out)]
    assert run(cards, "python", *command).returncode == 0
    assert merchants.served() == 2


def test_a_view_of_the_service_is_filled_by_its_name_in_both_stores(cards: Cards) -> None:
    filled(cards)
    retyped(cards)
    done = run(cards, "python", *MATERIALIZE, "--full", "--replace", "--view", "cards")
    assert done.returncode == 0, done.stderr
    cards.require_equal()


def every_kind() -> set[str]:
    for module in pkgutil.walk_packages(poc.__path__, "poc."):
        if module.name.endswith("errors") or ".errors." in module.name:
            importlib.import_module(module.name)
    found, left = set(), [errors.PocError]
    while left:
        kind = left.pop()
        below = kind.__subclasses__()
        left += below
        # What only others are derived from is never raised.
        if "__init__" in kind.__dict__ or "way_out" in kind.__dict__ or not below:
            found.add(kind.__name__)
    bases = {"PocError", "CallRefused", "OnlineStoreError", "FeaturesUnavailable"}
    return {name for name in found - bases if not name.startswith("_")}


def test_every_error_has_a_way_out_that_is_followed_or_says_why_not(root: Path) -> None:
    lists = [
        [kind.__name__ for kind in (*WAYS, *FOLLOWED)],
        [name for names in NOT_FOLLOWED.values() for name in names],
    ]
    named = [name for names in lists for name in names]
    assert sorted(named) == sorted(every_kind())
    for place in FOLLOWED.values():
        file, _, test = place.partition("::")
        assert f"def {test}(" in (root / "tests" / file).read_text(), place
