"""Tables follow the definitions: created, extended, refused, dropped."""

import threading
from datetime import datetime, timezone
from typing import Any

import pytest
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Float64, Int64, String

from poc.online_store.errors import KeyChanged, PocError, TypeChanged
from poc.online_store.session import SCHEMA, Session

NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)


def columns(session: Session, keyspace: str) -> dict[str, str]:
    found = session.execute(
        "SELECT column_name, type FROM system_schema.columns WHERE keyspace_name = %s AND table_name = %s",
        (keyspace, "poc__stats"),
    )
    return dict(found.all())


def test_apply_creates_the_keyspace_as_the_settings_say(stores: Any, session: Session) -> None:
    name = f"{stores.keyspace}_made"
    try:
        store = stores.open(keyspace=name, replication={"datacenter1": 1})
        stores.view(store, {"a": Int64}, {"id": String})
        found = session.execute(
            "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s", (name,)
        ).one()
        assert dict(found[0])["datacenter1"] == "1"
        assert columns(session, name)["a"] == "bigint"
    finally:
        session.execute(f"DROP KEYSPACE IF EXISTS {name}", execution_profile=SCHEMA)


def test_new_feature_is_missing_until_a_write_has_it_and_then_null_in_rows_from_before(
    stores: Any, rows_of: Any
) -> None:
    store = stores.open()
    rows = rows_of(store, stores.view(store, {"a": Int64}, {"id": String}))
    key = rows.key(id=Value(string_val="x"))
    before = rows.key(id=Value(string_val="y"))
    for item in (key, before):
        rows.write(item, {"a": Value(int64_val=1)})
    rows.view = stores.view(store, {"a": Int64, "b": Float64}, {"id": String})
    assert rows.read(key) == [(NOON, {"a": Value(int64_val=1)})]
    # The same event again: the backfill of a new feature.
    rows.write(key, {"a": Value(int64_val=1), "b": Value(double_val=0.5)})
    assert rows.read(key)[0][1]["b"] == Value(double_val=0.5)
    assert rows.read(before) == [(NOON, {"a": Value(int64_val=1), "b": Value()})]


def test_removed_feature_is_read_no_more_and_may_come_back(stores: Any, rows_of: Any) -> None:
    store = stores.open()
    rows = rows_of(store, stores.view(store, {"a": Int64, "b": Int64}, {"id": String}))
    key = rows.key(id=Value(string_val="x"))
    rows.write(key, {"a": Value(int64_val=1), "b": Value(int64_val=2)})
    rows.view = stores.view(store, {"a": Int64}, {"id": String})
    assert rows.read(key)[0][1] == {"a": Value(int64_val=1)}
    rows.view = stores.view(store, {"a": Int64, "b": Int64}, {"id": String})
    rows.write(key, {"a": Value(int64_val=1), "b": Value(int64_val=2)})
    assert rows.read(key)[0][1]["b"] == Value(int64_val=2)


@pytest.mark.parametrize(
    ("features", "keys", "refused"),
    [
        ({"a": Float64, "b": Int64}, {"id": String}, TypeChanged),
        ({"a": Int64}, {"id": String, "place": String}, KeyChanged),
    ],
    ids=["type", "key"],
)
def test_changed_type_or_key_changes_no_table_and_writes_say_what_to_run(
    stores: Any, rows_of: Any, session: Session, features: Any, keys: Any, refused: type[PocError]
) -> None:
    store = stores.open()
    stores.view(store, {"a": Int64}, {"id": String})
    before = columns(session, stores.keyspace)
    rows = rows_of(store, stores.view(store, features, keys))
    assert columns(session, stores.keyspace) == before
    named = {name: Value(string_val="x") for name in keys}
    with pytest.raises(refused, match=r"feast_materialize\.py --full"):
        rows.write(
            rows.key(**named), {"a": Value(int64_val=1) if refused is KeyChanged else Value(double_val=1)}
        )


def test_teardown_drops_what_apply_made_and_a_type_may_then_change(
    stores: Any, rows_of: Any, session: Session
) -> None:
    store = stores.open()
    rows = rows_of(store, stores.view(store, {"a": Int64}, {"id": String}))
    key = rows.key(id=Value(string_val="x"))
    rows.write(key, {"a": Value(int64_val=1)})
    store.teardown()
    assert columns(session, stores.keyspace) == {}
    again = stores.open()
    rows = rows_of(again, stores.view(again, {"a": Float64}, {"id": String}))
    assert rows.read(key) == [(None, None)]
    rows.write(key, {"a": Value(double_val=1.5)})
    assert rows.read(key)[0][1] == {"a": Value(double_val=1.5)}


@pytest.mark.parametrize("layout", ["rows", "stock"])
def test_teardown_ends_well_where_somebody_dropped_the_keyspace(
    stores: Any, session: Session, layout: str
) -> None:
    store = stores.open(layout)
    stores.view(store, {"a": Int64}, {"id": String})
    session.execute(f"DROP KEYSPACE {stores.keyspace}", execution_profile=SCHEMA)
    store.teardown()
    assert list(stores.folder.glob("*.db")) == []


def test_deleted_view_loses_its_table_and_the_others_keep_theirs(stores: Any, session: Session) -> None:
    store = stores.open()
    kept = stores.view(store, {"a": Int64}, {"id": String})
    deleted = stores.view(store, {"a": Int64}, {"id": String}, name="deleted")
    store.apply([kept], objects_to_delete=[deleted], partial=False)
    tables = session.execute(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", (stores.keyspace,)
    )
    assert sorted(name for (name,) in tables.all()) == ["generations", "poc__stats"]


def test_first_writes_of_new_features_at_once_all_succeed(
    stores: Any, rows_of: Any, session: Session
) -> None:
    first = stores.open()
    stores.view(first, {"a": Int64}, {"id": String})
    failures: list[BaseException] = []
    values = {"a": Value(int64_val=1), "b": Value(int64_val=2), "c": Value(double_val=0.5)}

    def write(store: Any) -> None:
        try:
            rows = rows_of(store, stores.view(store, {"a": Int64, "b": Int64, "c": Float64}, {"id": String}))
            rows.write(rows.key(id=Value(string_val="x")), values)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(stores.open(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(columns(session, stores.keyspace)) >= {"a", "b", "c"}


def test_two_projects_share_a_keyspace_without_sharing_tables(stores: Any, rows_of: Any) -> None:
    one, other = stores.open(project="one"), stores.open(project="other")
    rows = [rows_of(store, stores.view(store, {"a": Int64}, {"id": String})) for store in (one, other)]
    key = rows[0].key(id=Value(string_val="x"))
    rows[0].write(key, {"a": Value(int64_val=1)})
    assert rows[1].read(key) == [(None, None)]
