"""The stores that are compared, opened as the settings say.

What is opened is filled by `poc.comparison.filled` and compared by `poc.comparison.comparison`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.util import find_spec

from cassandra.cluster import Session

from poc.comparison.acsylla_reads import AcsyllaReads
from poc.comparison.awaited import AwaitedSource
from poc.comparison.comparison import Comparison, Request, run_comparison
from poc.comparison.feature_server import feature_server
from poc.comparison.filled import (
    Announce,
    consistency_of,
    disconnect,
    fill_empty_direct,
    filled_rows,
    require_filled,
)
from poc.comparison.machine import versions_of
from poc.comparison.methods import (
    BASELINE,
    KNOWN,
    ON_REQUEST,
    Method,
    direct_acsylla,
    direct_cassandra,
    public_call,
    resolved_read,
)
from poc.comparison.row_layout import keeps_rows, row_store_settings
from poc.database.direct_table import DirectTable
from poc.database.endpoint import configured_endpoint
from poc.dataset.stored import sample_ids
from poc.definitions import read_definitions
from poc.errors import FeaturesNotMaterialized, MethodsUnavailable
from poc.feature_store import applied_features, open_feature_store, served_features
from poc.retrieval.feast_source import open_feast_source
from poc.retrieval.tables import cassandra_failures
from poc.settings import Settings

TIMEOUT_SECONDS = 10.0


def compare_stores(
    settings: Settings,
    session: Session,
    where: str,
    request: Request,
    announce: Announce = lambda what: None,
    progress: Callable[[], object] = lambda: None,
) -> Comparison:
    """Open the stores, and compare the ways to read them on transactions of the prepared Parquet.

    Args:
        settings: which feature repository, service and direct keyspace.
        session: where the direct table is.
        where: the cluster, for messages.
        request: what to measure.
        announce: told what is going on.
        progress: called after each round of reads.

    Raises:
        PocError: as `open_methods` and `run_comparison`; and what says that the Parquet is not there.
    """
    names = chosen_methods(settings, request.methods)
    ids = sample_ids(read_definitions(settings), request.pool, seed=request.seed)
    with open_methods(settings, session, where, ids, names, announce) as methods:
        announce("Reading")
        with cassandra_failures(where, lambda: FeaturesNotMaterialized("A table that was being read")):
            return run_comparison(methods, ids, request, versions_of(session), progress)


def chosen_methods(settings: Settings, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Name the ways to compare, in the order of all results: the baseline, and `wanted`.

    Without `wanted`, all that can be had here, but not those that are compared on request only.

    Raises:
        MethodsUnavailable: one of `wanted` cannot be had here.
    """
    missing: dict[str, str] = {}
    if keeps_rows(settings):
        missing |= dict.fromkeys(("feast-stock", "feast-stock-resolved"), "the yaml names the row store")
    if find_spec("acsylla") is None:
        missing |= dict.fromkeys(
            (name for name in KNOWN if name.endswith("acsylla")),
            "acsylla is not installed: pip install acsylla",
        )
    if wanted is None:
        return tuple(name for name in KNOWN if name not in missing and name not in ON_REQUEST)
    refused = {name: missing[name] for name in wanted if name in missing}
    if refused:
        raise MethodsUnavailable(refused)
    return tuple(name for name in KNOWN if name == BASELINE or name in wanted)


@contextmanager
def open_methods(
    settings: Settings,
    session: Session,
    where: str,
    probe_ids: Sequence[str],
    names: Sequence[str],
    announce: Announce = lambda what: None,
) -> Iterator[tuple[Method, ...]]:
    """Give the ways to compare, the baseline first, each ready to read until the block ends.

    An empty direct table is filled from the Parquet with the intervals that the online store holds; a
    row store that holds other values than the online store, likewise.

    Args:
        settings: which feature repository, service and direct keyspace.
        session: where the direct table is; Feast connects by itself, as the yaml says.
        where: the cluster, for messages.
        probe_ids: transactions of which at least one must be online.
        names: the ways, as `chosen_methods` gives them.
        announce: told when something has to be filled.

    Raises:
        FeaturesNotApplied: the registry does not know the service, or the online store lacks the table.
        FeaturesNotMaterialized: the online store holds none of `probe_ids`.
        FeaturesOutdated: the direct table lacks a feature.
        CassandraUnavailable: no answer.
        FeatureServerUnavailable: the feature server that is measured does not start.
    """
    with ExitStack() as opened:
        store = open_feature_store(settings)
        opened.callback(disconnect, store)
        definitions = applied_features(store, settings.feature_service)
        layout = "rows" if keeps_rows(settings) else "stock"
        consistency = consistency_of(store)
        feast = public_call(
            f"feast-{layout}", store, settings.feature_service, definitions.join_key, consistency
        )
        require_filled(store, feast, definitions, session, where, probe_ids)
        fill_empty_direct(settings, store, definitions, session, where, announce)
        # The tables hold the whole view; what is read and compared is what the service takes of it.
        served = served_features(store, settings.feature_service)
        table = DirectTable(settings.direct_keyspace, served)
        found = [feast, direct_cassandra(session, table, consistency)]
        if f"feast-{layout}-resolved" in names:
            found.append(_resolved(f"feast-{layout}-resolved", settings, consistency, opened))
        rows_settings, rows_consistency = settings, consistency
        if layout == "stock" and any(name.startswith("feast-rows") for name in names):
            rows_settings = opened.enter_context(row_store_settings(settings))
            rows = filled_rows(rows_settings, store, feast, definitions, probe_ids, announce, opened)
            rows_consistency = rows.consistency
            found += [rows, _resolved("feast-rows-resolved", rows_settings, rows_consistency, opened)]
        if "feast-rows-resolved-acsylla" in names:
            found.append(_awaited("feast-rows-resolved-acsylla", rows_settings, rows_consistency, opened))
        if "direct-acsylla" in names:
            reads = AcsyllaReads(configured_endpoint(settings), table.select_cql, consistency)
            opened.callback(reads.close)
            found.append(direct_acsylla(reads, served.names, consistency))
        if "feast-server" in names:
            announce("Starting a feature server")
            served_by = opened.enter_context(feature_server(_patient(settings, "auto")))
            # The server has opened the source already; the loop is this reader's.
            reader = AwaitedSource(served_by)
            opened.callback(reader.close)
            found.append(resolved_read("feast-server", reader, consistency))
        if layout == "rows":
            # It is the project's Feast, then, not one beside another.
            found = [_as_the_projects(method) for method in found]
        by_name = {method.name: method for method in found}
        yield tuple(by_name[name] for name in names)


def _as_the_projects(method: Method) -> Method:
    remark = KNOWN["feast-stock"][1] if method.name == "feast-rows" else method.remark
    return replace(method, title=method.title.replace("Feast, row store", "Feast"), remark=remark)


def _resolved(name: str, settings: Settings, consistency: str, opened: ExitStack) -> Method:
    # On the driver of the baseline and of the public call: what differs is the way, not the driver.
    source = open_feast_source(_patient(settings, "cassandra-driver"))
    opened.callback(source.close)
    return resolved_read(name, source, consistency)


def _awaited(name: str, settings: Settings, consistency: str, opened: ExitStack) -> Method:
    source = AwaitedSource(open_feast_source(_patient(settings, "acsylla")))
    opened.callback(source.close)
    return resolved_read(name, source, consistency)


def _patient(settings: Settings, driver: str) -> Settings:
    """Let reads wait as long as all the others may: a slow one is to be measured, not to end the run."""
    return settings.model_copy(update={"feature_driver": driver, "feature_timeout_seconds": TIMEOUT_SECONDS})
