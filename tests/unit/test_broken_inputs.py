"""A broken yaml, features.py or data file is refused by an error of ours, whatever is broken in it.

That such an error ends a script with two lines and no traceback, `poc.command_line` sees to.
"""

import os
import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from broken_files import Break, as_folder, cut, spoiled, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poc.dataset.generate import generate_records
from poc.dataset.prepare import check_dataset, write_dataset
from poc.dataset.stored import labelled_view, sample_keys
from poc.definitions import ServedFeatures
from poc.errors import PocError
from poc.feature_store import connection_of, open_feature_store
from poc.materialization.servable import require_servable
from poc.model.examples import read_labels
from poc.quality.validation import validate_service
from poc.repository import declared_service
from poc.settings import Settings

bounded = settings(
    max_examples=int(os.environ.get("BROKEN_EXAMPLES", "25")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NOW = datetime(2026, 11, 24, tzinfo=timezone.utc)
YAML = "feature_repo/feature_store.yaml"
FEATURES = "feature_repo/features.py"
PARQUET = "data/credit_card_fraud_10k.parquet"
CSV = "data/credit_card_fraud_10k.csv"


@pytest.fixture(scope="module")
def whole(root: Path, definitions: ServedFeatures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository and a prepared file, to be copied."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(root / "feature_repo", folder / "feature_repo", ignore=lambda *_: ["data", "__pycache__"])
    (folder / "data").mkdir()
    ids = [str(number) for number in range(1, 301)]
    generate_records(definitions.feature_sets[0], 1, ids).to_csv(folder / CSV, index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_dataset(
            check_dataset(declared_service(Settings(_env_file=None)).feature_sets[0], Path("data"), NOW)
        )
    (folder / CSV).rename(folder / "whole.csv")
    return folder


@pytest.fixture
def place(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return renew(whole, tmp_path)


def renew(whole: Path, folder: Path) -> Path:
    for name in ("feature_repo", "data"):
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(whole / name, folder / name)
    return folder


def set_up() -> None:
    """Do what feast_setup.py does before it connects and writes."""
    stated = Settings(_env_file=None)
    store = open_feature_store(stated)
    connection_of(store)
    served = declared_service(stated)
    require_servable(stated, store, served)
    validate_service(stated, served, NOW)


def learn() -> None:
    """Do what training and the samples do with the data, as it is."""
    served = declared_service(Settings(_env_file=None))
    read_labels(served, labelled_view(served))
    sample_keys(served, 5)


def replace(old: str, new: str) -> Break:
    def change(path: Path) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def rewrite(change: Callable[[pa.Table], pa.Table]) -> Break:
    return lambda path: pq.write_table(change(pq.read_table(path)).replace_schema_metadata(None), path)


def column(name: str, make: Callable[[pa.ChunkedArray], Any]) -> Break:
    return rewrite(
        lambda table: table.set_column(table.column_names.index(name), name, make(table.column(name)))
    )


YAMLS: dict[str, Break] = {
    "empty": write(b""),
    "a list": write(b"- project: a\n- b\n"),
    "a word": write(b"hello\n"),
    "a number": write(b"7\n"),
    "null": write(b"null\n"),
    "tabs": replace("  hosts:", "\thosts:"),
    "unclosed": replace("project:", "project: ["),
    "binary": write(bytes(range(256))),
    "UTF-16": lambda path: path.write_bytes(path.read_text().encode("utf-16")),
    "Latin-1": lambda path: path.write_bytes(b"# caf\xe9\n" + path.read_bytes()),
    "a folder": as_folder,
    "gone": Path.unlink,
    "unset variable": replace("keyspace: feast_online_store", "keyspace: ${NOT_SET_ANYWHERE}"),
    "online_store a list": replace("online_store:", "online_store: [1]\nother:"),
    "online_store null": replace("online_store:", "online_store:\nother:"),
    "online_store a word": replace("online_store:", "online_store: cassandra\nother:"),
    "unknown type": replace("type: cassandra", "type: casandra"),
    "unknown module": replace("type: cassandra", "type: nowhere.at.all.AnOnlineStore"),
    "unknown key": replace("  port:", "  prt: 1\n  port:"),
    "port a word": replace("  port:", "  port: many\n  other:"),
    "port too high": replace("  port:", "  port: 99999\n  other:"),
    "keyspace with a hyphen": replace("keyspace: ", "keyspace: my-"),
    "keyspace too long": replace("keyspace: ", f"keyspace: {'k' * 60}"),
    "keyspace a number": replace("keyspace: feast_online_store", "keyspace: 7"),
    "registry a folder": replace("registry: ", "registry: ../data #"),
    "registry a list": replace("registry: ", "registry: [a] #"),
    "registry nowhere": replace("registry: ", "registry: /proc/nowhere/registry.db #"),
    "registry remote": replace("registry: ", "registry: s3://bucket/registry.db #"),
    "registry of another scheme": replace("registry: ", "registry: hdfs://somewhere/registry.db #"),
    "registry of a drive": replace("registry: ", "registry: C:/registry.db #"),
    "registry sql": replace("registry: ", "registry: {registry_type: sql, path: 'sqlite:////proc/a.db'} #"),
    "project with a hyphen": replace("project: ", "project: my-"),
    "project a list": replace("project: ", "project: [a] #"),
    "no project": replace("project: ", "#project: "),
    "provider unknown": replace("provider: ", "provider: nowhere.Provider #"),
    "provider a word": replace("provider: ", "provider: lcal #"),
    "offline store unknown": replace("offline_store:", "offline_store: {type: nothing}\nother:"),
    "batch engine unknown": replace("batch_engine:", "batch_engine: {type: nothing}\nother:"),
    "key version": replace("entity_key_serialization_version: 2", "entity_key_serialization_version: two"),
}


@pytest.mark.parametrize("broken", YAMLS)
def test_broken_yaml_is_refused(place: Path, broken: str) -> None:
    YAMLS[broken](place / YAML)
    with pytest.raises(PocError):
        set_up()


@pytest.mark.parametrize(
    "written",
    [
        lambda path: path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes()),
        lambda path: path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n")),
    ],
    ids=["BOM", "CRLF"],
)
def test_files_as_editors_on_windows_write_them_are_read(place: Path, written: Break) -> None:
    written(place / YAML)
    written(place / FEATURES)
    set_up()


DEFINITIONS: dict[str, Break] = {
    "empty": write(b""),
    "syntax error": write(b"from feast import Entity\ndef\n"),
    "import error": write(b"import nothing_of_that_name\n"),
    "name error": write(b"undefined\n"),
    "division": write(b"1 / 0\n"),
    "exit": write(b"import sys\nsys.exit(0)\n"),
    "exit with text": write(b"raise SystemExit('stopped')\n"),
    "binary": write(bytes(range(256))),
    "NUL": write(b"x = 1\0\n"),
    "Latin-1": write("x = 'caf\u00e9'\n".encode("latin-1")),
    "UTF-16": lambda path: path.write_bytes(path.read_text().encode("utf-16")),
    "tabs and spaces": write(b"if 1:\n\tx = 1\n        y = 2\n"),
    "no service": replace('name="fraud_detection_v1"', 'name="other"'),
    "a folder": as_folder,
    "gone": Path.unlink,
    "recursion": write(b"def f():\n    f()\nf()\n"),
    "error without text": write(b"raise ValueError\n"),
    "no entity": replace("entities=[transaction]", "entities=[]"),
    "a list for an entity": replace("entities=[transaction]", "entities=[[transaction]]"),
    "entity unknown": replace("entities=[transaction]", "entities=['transaction']"),
    "no source": replace("source=transaction_source", "source=None"),
    "timestamp unknown": replace('timestamp_field="timestamp"', 'timestamp_field="moment"'),
    "ttl a number": replace("ttl=timedelta(days=30)", "ttl=30"),
    "unknown argument": replace("online=True", "onlin=True"),
    "type of a column": replace("dtype=Float64", "dtype=float"),
    "tag a number": replace('{"min": "0", "max": "23"}', '{"min": 0}'),
}


@pytest.mark.parametrize("broken", DEFINITIONS)
@pytest.mark.fault("Definitions", "features.py that is broken or declares nothing", "refused by name")
def test_broken_definitions_are_refused(place: Path, broken: str) -> None:
    DEFINITIONS[broken](place / FEATURES)
    with pytest.raises(PocError):
        set_up()


DATA: dict[str, Break] = {
    "empty": write(b""),
    "cut": cut(0.5),
    "text": write(b"id,a\n1,2\n"),
    "zeros": write(b"PAR1" + bytes(400) + b"PAR1"),
    "a folder": as_folder,
    "no rows": rewrite(lambda table: table.slice(0, 0)),
    "no columns": rewrite(lambda table: table.select([])),
    "no amount": rewrite(lambda table: table.drop_columns("amount")),
    "no times": rewrite(lambda table: table.drop_columns("timestamp")),
    "no ids": rewrite(lambda table: table.drop_columns("transaction_id")),
    "text for times": column("timestamp", lambda values: pa.array(["soon"] * len(values))),
    "numbers for times": column("timestamp", lambda values: pa.array(range(len(values)))),
    "null times": column("timestamp", lambda values: pa.nulls(len(values), values.type)),
    "text for numbers": column("amount", lambda values: pa.array(["a lot"] * len(values))),
    "null ids": column("transaction_id", lambda values: pa.nulls(len(values), pa.string())),
    "lists for ids": column("transaction_id", lambda values: pa.array([["a"]] * len(values))),
    "structs": column("amount", lambda values: pa.array([{"a": 1}] * len(values))),
    "labels of three kinds": column("is_fraud", lambda values: pa.array([2] * len(values))),
    "repeated columns": rewrite(lambda table: table.append_column("amount", table.column("amount"))),
}


@pytest.mark.parametrize("broken", DATA)
@pytest.mark.fault(
    "Data",
    "Parquet empty, truncated, of a wrong schema, without time zones, with rows of the future, and more",
    "refused before anything is written, the column named",
)
def test_broken_data_is_refused(place: Path, broken: str) -> None:
    DATA[broken](place / PARQUET)
    with pytest.raises(PocError):
        set_up()


@pytest.mark.parametrize("broken", DATA)
def test_broken_data_is_used_or_refused_by_who_reads_it(place: Path, broken: str) -> None:
    DATA[broken](place / PARQUET)
    foreseen(learn)


def foreseen(work: Callable[[], Any]) -> None:
    try:
        work()
    except PocError as error:
        assert error.what
        assert error.way_out


@pytest.mark.parametrize("name", [YAML, FEATURES, PARQUET, CSV])
@bounded
@given(data=st.data())
@pytest.mark.fault(
    "Data", "any bytes of yaml, features.py, Parquet or CSV changed", "used or refused by name, no traceback"
)
def test_any_spoiled_file_is_used_or_refused(
    whole: Path, place: Path, name: str, data: st.DataObject
) -> None:
    renew(whole, place)
    if name == CSV:
        (place / PARQUET).unlink()
        shutil.copy(whole / "whole.csv", place / CSV)
    path = place / name
    path.write_bytes(data.draw(spoiled(path.read_bytes())))
    foreseen(set_up)
    if name == PARQUET:
        foreseen(learn)
