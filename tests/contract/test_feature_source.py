"""What every feature source promises, held against each way of reading on a real Cassandra."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest
from reading_ways import BUDGET_SECONDS, WAYS, Backend, Make, Opened
from stored_features import Row
from tcp_proxy import TcpProxy

from poc.errors import FeatureServerFailed, FeaturesNotApplied, FeaturesNotMaterialized, FeaturesUnavailable
from poc.online_store.session import SCHEMA

# What a read may take beyond its budget on a busy machine.
MARGIN_SECONDS = 0.6
NOW = datetime.now(timezone.utc).replace(microsecond=0)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module", params=WAYS, ids=str)
def shared_backend(request: pytest.FixtureRequest, make_backend: Make) -> Backend:
    return make_backend(request.param)


@pytest.fixture
def backend(shared_backend: Backend) -> Backend:
    """An empty store. Emptying one takes a tenth of the time of making one."""
    shared_backend.session.execute(f"TRUNCATE {shared_backend.table}", execution_profile=SCHEMA)
    return shared_backend


@pytest.fixture(params=WAYS, ids=str)
def doomed_backend(request: pytest.FixtureRequest, make_backend: Make) -> Iterator[Backend]:
    """A store for a test that takes its table away."""
    made = make_backend(request.param)
    yield made
    made.restore()


@pytest.fixture
def proxy(backend: Backend) -> Iterator[TcpProxy]:
    """Stands before whatever the source connects to."""
    made = TcpProxy(backend.address)
    yield made
    made.cut()


def payment(transaction_id: str = "12345", age: timedelta = HOUR, **values: object) -> Row:
    whole = {
        "amount": 500.0,
        "transaction_hour": 14,
        "merchant_category": "Travel",
        "foreign_transaction": 0,
        "location_mismatch": 1,
        "device_trust_score": 61,
        "velocity_last_24h": 3,
        "cardholder_age": 44,
    }
    return Row(transaction_id, whole | values, NOW - age)


def eventually(attempt: Callable[[], object], seconds: float = 60.0) -> object:
    """Give what `attempt` gives once it does not raise, as a client that keeps asking would see it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except FeaturesUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_stored_values_come_back_as_they_were(backend: Backend, opened: Callable) -> None:
    row = payment()
    backend.write(row)
    [found] = opened(backend).read(["12345"])
    assert found.key == ("12345",)
    # A feature that was added to the declarations, and that no test needs to know, is a null.
    expected = {name: row.values.get(name) for name in backend.definitions.names}
    assert dict(found.values) == expected
    assert {name: type(value) for name, value in found.values.items()} == {
        name: type(value) for name, value in expected.items()
    }


def test_features_come_in_declared_order(backend: Backend, opened: Callable) -> None:
    backend.write(payment())
    source = opened(backend)
    [found] = source.read(["12345"])
    assert tuple(found.values) == source.served.names == backend.definitions.names


def test_event_timestamp_is_the_stored_one_in_utc(backend: Backend, opened: Callable) -> None:
    backend.write(payment(age=3 * HOUR))
    [found] = opened(backend).read(["12345"])
    assert found.event_timestamp == NOW - 3 * HOUR
    assert found.event_timestamp.utcoffset() == timedelta(0)


def test_unknown_transaction_is_none_at_its_place(backend: Backend, opened: Callable) -> None:
    backend.write(payment("a"), payment("b"))
    found = opened(backend).read(["a", "nobody", "b", ""])
    assert [item and item.key[0] for item in found] == ["a", None, "b", None]


def test_repeated_id_is_answered_each_time(backend: Backend, opened: Callable) -> None:
    backend.write(payment("a", amount=1.0), payment("b", amount=2.0))
    found = opened(backend).read(["b", "a", "b"])
    assert [item.values["amount"] for item in found] == [2.0, 1.0, 2.0]


def test_nothing_asked_is_nothing_answered(backend: Backend, opened: Callable) -> None:
    assert opened(backend).read([]) == []


@pytest.mark.parametrize("feature", ["amount", "transaction_hour", "merchant_category"])
def test_null_is_none_and_not_absent(backend: Backend, opened: Callable, feature: str) -> None:
    backend.write(payment(**{feature: None}))
    [found] = opened(backend).read(["12345"])
    assert found.values[feature] is None
    assert found.values["cardholder_age"] == 44


def test_row_of_nulls_is_known(backend: Backend, opened: Callable) -> None:
    backend.write(Row("12345", {}, NOW - HOUR))
    [found] = opened(backend).read(["12345"])
    assert set(found.values.values()) == {None}


def test_not_a_number_is_none(backend: Backend, opened: Callable) -> None:
    backend.write(payment(amount=float("nan")))
    [found] = opened(backend).read(["12345"])
    assert found.values["amount"] is None


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("amount", 0.0),
        ("amount", -0.0),
        ("amount", 1e308),
        ("transaction_hour", 0),
        ("velocity_last_24h", 2**63 - 1),
        ("velocity_last_24h", -(2**63)),
        ("merchant_category", ""),
        ("merchant_category", "Café \N{PILE OF POO} '\"\\"),
    ],
)
def test_edge_values_are_values(backend: Backend, opened: Callable, feature: str, value: object) -> None:
    backend.write(payment(**{feature: value}))
    [found] = opened(backend).read(["12345"])
    assert found.values[feature] == value


def test_infinite_value_is_a_value_and_never_another(backend: Backend, opened: Callable) -> None:
    backend.write(payment(amount=float("inf")), payment("other"))
    source = opened(backend)
    if backend.way.by_server:
        # JSON has no such number; Feast's server fails on it.
        with pytest.raises(FeatureServerFailed, match="500"):
            source.read(["12345"])
        assert source.read(["other"])[0].values["amount"] == 500.0
    else:
        assert source.read(["12345"])[0].values["amount"] == float("inf")


@pytest.mark.parametrize("transaction_id", ["0", " ", "00012345", "a'; DROP TABLE x; --", "\N{PILE OF POO}"])
def test_any_text_is_an_id(backend: Backend, opened: Callable, transaction_id: str) -> None:
    backend.write(payment(transaction_id), payment("other"))
    [found] = opened(backend).read([transaction_id])
    assert found.key == (transaction_id,)


@pytest.mark.parametrize(("beyond", "stale"), [(-HOUR, False), (HOUR, True)], ids=["within", "past"])
def test_values_past_the_ttl_are_given_and_stale(
    backend: Backend, opened: Callable, beyond: timedelta, stale: bool
) -> None:
    backend.write(payment(age=backend.view.ttl + beyond))
    [found] = opened(backend).read(["12345"])
    assert found.stale is stale
    assert found.values["amount"] == 500.0


def test_hundred_ids_read_together_are_those_read_one_by_one(backend: Backend, opened: Callable) -> None:
    ids = [str(number) for number in range(100)]
    backend.write(*(payment(item, amount=float(item)) for item in ids))
    source = opened(backend)
    together = source.read(ids)
    assert [item.values["amount"] for item in together] == [float(item) for item in ids]
    assert together[:10] == [source.read([item])[0] for item in ids[:10]]


def test_many_threads_get_their_own_rows(backend: Backend, opened: Callable) -> None:
    ids = [str(number) for number in range(40)]
    backend.write(*(payment(item, amount=float(item)) for item in ids))
    source = opened(backend)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda item: source.read([item])[0].values["amount"], ids * 5))
    assert found == [float(item) for item in ids * 5]


def test_filled_store_passes_the_check(backend: Backend, opened: Callable) -> None:
    backend.write(payment())
    assert opened(backend).check() is None


def test_empty_store_is_never_materialized_until_it_is_filled(backend: Backend, opened: Callable) -> None:
    source = opened(backend)
    assert_tells_that_it_is_empty(backend, source)
    backend.write(payment())
    assert source.read(["nobody"]) == [None]
    assert source.read(["12345"])[0].values["amount"] == 500.0


def test_emptied_store_fails_the_check(backend: Backend, opened: Callable) -> None:
    backend.write(payment())
    source = opened(backend)
    source.check()
    backend.session.execute(f"TRUNCATE {backend.table}", execution_profile=SCHEMA)
    assert_tells_that_it_is_empty(backend, source)


def assert_tells_that_it_is_empty(backend: Backend, source: Opened) -> None:
    if backend.way.by_server:
        # A feature server cannot be asked for it: nobody is known, then.
        source.check()
        assert source.read(["12345"]) == [None]
        return
    with pytest.raises(FeaturesNotMaterialized):
        source.check()
    with pytest.raises(FeaturesNotMaterialized):
        source.read(["12345"])


def test_missing_table_is_told_with_the_way_out(doomed_backend: Backend, opened: Callable) -> None:
    doomed_backend.session.execute(f"DROP TABLE {doomed_backend.table}", execution_profile=SCHEMA)
    with pytest.raises((FeaturesNotApplied, FeaturesNotMaterialized), match=r"python scripts/feast_\w+\.py"):
        opened(doomed_backend)


def test_missing_keyspace_is_told_with_the_way_out(doomed_backend: Backend, opened: Callable) -> None:
    doomed_backend.session.execute(
        f"DROP KEYSPACE {doomed_backend.settings.direct_keyspace}", execution_profile=SCHEMA
    )
    with pytest.raises((FeaturesNotApplied, FeaturesNotMaterialized), match=r"python scripts/feast_\w+\.py"):
        opened(doomed_backend)


def test_table_that_goes_and_comes_back_needs_no_reopening(doomed_backend: Backend, opened: Callable) -> None:
    doomed_backend.write(payment())
    source = opened(doomed_backend)
    source.check()
    doomed_backend.session.execute(f"DROP TABLE {doomed_backend.table}", execution_profile=SCHEMA)
    with pytest.raises((FeaturesNotApplied, FeaturesNotMaterialized)):
        source.read(["12345"])
    doomed_backend.prepare()
    doomed_backend.write(payment(amount=7.0))
    assert source.read(["12345"])[0].values["amount"] == 7.0


def test_nobody_at_the_address_is_unavailable(backend: Backend, opened: Callable) -> None:
    with pytest.raises(FeaturesUnavailable, match=r"127\.0\.0\.1:1"):
        opened(backend, backend.through(1))


@pytest.mark.alone
@pytest.mark.parametrize("ids", [1, 100])
def test_frozen_store_is_unavailable_within_the_budget(
    backend: Backend, opened: Callable, proxy: TcpProxy, ids: int
) -> None:
    backend.write(payment())
    source = opened(backend, backend.through(proxy.port))
    source.check()
    proxy.stall()
    started = time.monotonic()
    with pytest.raises(FeaturesUnavailable):
        source.read([str(number) for number in range(ids)])
    assert time.monotonic() - started < BUDGET_SECONDS + MARGIN_SECONDS
    proxy.resume()
    assert eventually(lambda: source.read(["12345"]))[0].values["amount"] == 500.0


@pytest.mark.alone
def test_frozen_store_fails_the_check_within_the_budget(
    backend: Backend, opened: Callable, proxy: TcpProxy
) -> None:
    backend.write(payment())
    source = opened(backend, backend.through(proxy.port))
    proxy.stall()
    started = time.monotonic()
    with pytest.raises(FeaturesUnavailable):
        source.check()
    assert time.monotonic() - started < BUDGET_SECONDS + MARGIN_SECONDS


@pytest.mark.alone
def test_store_that_dies_and_returns_needs_no_reopening(
    backend: Backend, opened: Callable, proxy: TcpProxy
) -> None:
    backend.write(payment())
    source = opened(backend, backend.through(proxy.port))
    source.check()
    proxy.cut()
    started = time.monotonic()
    with pytest.raises(FeaturesUnavailable):
        source.read(["12345"])
    assert time.monotonic() - started < BUDGET_SECONDS + MARGIN_SECONDS
    proxy.restore()
    assert eventually(lambda: source.read(["12345"]))[0].values["amount"] == 500.0


def test_closing_twice_does_nothing(backend: Backend) -> None:
    source = backend.open()
    source.close()
    source.close()


def test_closed_source_is_unavailable(backend: Backend) -> None:
    backend.write(payment())
    source = backend.open()
    source.close()
    with pytest.raises(FeaturesUnavailable):
        source.read(["12345"])


def test_all_ways_give_the_same_features(make_backend: Make) -> None:
    rows = [payment(str(number), amount=number / 7, age=number * 20 * HOUR) for number in range(50)]
    rows += [Row("nulls", {}, NOW), payment("nan", amount=float("nan"))]
    ids = [row.transaction_id for row in rows] + ["nobody"]
    found = []
    for way in WAYS:
        backend = make_backend(way)
        backend.write(*rows)
        source = backend.open()
        found.append(source.read(ids))
        source.close()
    assert [item == found[0] for item in found] == [True] * len(WAYS)
