import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast.types import Float64, Int64, String
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poc.dataset.columns import LABEL, value_types
from poc.dataset.generate import generate_records
from poc.dataset.prepare import PreparedDataset, check_dataset, write_dataset
from poc.dataset.stored import latest_rows
from poc.definitions import FeatureSet
from poc.errors import ColumnsMissing, DatasetRefused, DatasetUnreadable, InvalidDefinitions

Prepare = Callable[..., PreparedDataset]


def state(path: Path) -> tuple[bytes, int]:
    return path.read_bytes(), path.stat().st_mtime_ns


@pytest.fixture
def persons_parquet(definitions: FeatureSet, public_records: pd.DataFrame) -> pd.DataFrame:
    """A Parquet that a person prepared: both timestamps, long ago; one transaction has two records."""
    frame = public_records.copy()
    frame["timestamp"] = pd.date_range("2020-01-01", periods=len(frame), freq="h", tz="UTC")
    frame["created_timestamp"] = frame["timestamp"] + pd.Timedelta("1min")
    frame.loc[1, definitions.key_names[0]] = frame.loc[0, definitions.key_names[0]]
    frame.to_parquet(definitions.source_path, index=False)
    return frame


class TestGenerated:
    def test_10000_records_with_the_declared_columns_and_types(
        self, definitions: FeatureSet, prepare: Prepare
    ) -> None:
        prepared = prepare()
        assert prepared == PreparedDataset(
            definitions.source_path, 10_000, "generated transactions", changed=True, added_columns=()
        )
        time = pa.timestamp("us", "UTC")
        wanted = value_types(definitions) | {"timestamp": time, "created_timestamp": time}
        schema = pq.read_schema(definitions.source_path)
        assert dict(zip(schema.names, schema.types, strict=True)) == wanted

    def test_second_time_nothing_changes(
        self, definitions: FeatureSet, prepare: Prepare, now: datetime
    ) -> None:
        prepare()
        before = state(definitions.source_path)
        assert prepare(now=now + timedelta(days=8)).changed is False
        assert state(definitions.source_path) == before

    def test_aged_out_timestamps_are_made_anew_and_values_stay(
        self, definitions: FeatureSet, prepare: Prepare, now: datetime
    ) -> None:
        prepare()
        before = latest_rows(definitions)
        assert prepare(now=now + timedelta(days=31)).changed is True
        after = latest_rows(definitions)
        assert {key: row.values for key, row in after.items()} == {
            key: row.values for key, row in before.items()
        }
        assert min(row.event_timestamp for row in after.values()) > now

    def test_older_records_of_the_guide_survive_ageing(
        self, definitions: FeatureSet, prepare: Prepare, now: datetime
    ) -> None:
        asked = datetime(2024, 12, 2, 14, 30, tzinfo=timezone.utc)
        prepare()
        before = latest_rows(definitions, as_of=asked)
        prepare(now=now + timedelta(days=31))
        assert latest_rows(definitions, as_of=asked) == before
        assert sorted(before) == [("11111",), ("12345",), ("67890",)]

    def test_refresh_makes_the_timestamps_of_today(
        self, definitions: FeatureSet, prepare: Prepare, now: datetime
    ) -> None:
        prepare()
        before = latest_rows(definitions, [("1",)])[("1",)].event_timestamp
        assert prepare(now=now + timedelta(days=1), refresh=True).changed is True
        after = latest_rows(definitions, [("1",)])[("1",)].event_timestamp
        assert after - before == timedelta(days=1)

    def test_added_feature_gets_a_column_and_the_others_stay(
        self, definitions: FeatureSet, prepare: Prepare, declare: Callable[..., FeatureSet], now: datetime
    ) -> None:
        prepare()
        before = pq.read_table(definitions.source_path)
        more = declare("new_feature", Float64, min="0", max="2")
        prepared = prepare(definitions=more, now=now + timedelta(days=3))
        assert (prepared.changed, prepared.added_columns) == (True, ("new_feature",))
        after = pq.read_table(definitions.source_path)
        assert after.drop_columns(["new_feature"]).equals(before)
        assert after.column("new_feature").type == pa.float64()
        assert prepare(definitions=more).changed is False

    def test_limits_that_records_in_place_break_make_them_anew(
        self, definitions: FeatureSet, prepare: Prepare
    ) -> None:
        prepare()
        features = tuple(
            replace(item, tags={"values": "Books,Toys"}) if item.name == "merchant_category" else item
            for item in definitions.features
        )
        assert prepare(definitions=replace(definitions, features=features)).changed is True
        categories = pq.read_table(definitions.source_path).column("merchant_category")
        assert set(categories.to_pylist()) == {"Books", "Toys"}

    def test_changed_type_is_taken_over(self, definitions: FeatureSet, prepare: Prepare) -> None:
        prepare()
        features = tuple(
            replace(item, dtype=Float64) if item.name == "cardholder_age" else item
            for item in definitions.features
        )
        assert prepare(definitions=replace(definitions, features=features)).changed is True
        assert pq.read_schema(definitions.source_path).field("cardholder_age").type == pa.float64()

    def test_source_without_created_timestamp_gets_the_guides_column(
        self, definitions: FeatureSet, prepare: Prepare
    ) -> None:
        prepare(definitions=replace(definitions, created_timestamp_column=None))
        assert "created_timestamp" in pq.read_schema(definitions.source_path).names

    def test_unusable_tag_changes_nothing(
        self, definitions: FeatureSet, prepare: Prepare, declare: Callable[..., FeatureSet]
    ) -> None:
        prepare()
        before = state(definitions.source_path)
        with pytest.raises(InvalidDefinitions):
            prepare(definitions=declare("new_feature", Float64, min="low"))
        assert state(definitions.source_path) == before

    def test_moment_without_a_zone_is_refused(self, prepare: Prepare) -> None:
        with pytest.raises(ValueError, match="no time zone"):
            prepare(now=datetime(2026, 1, 1))  # noqa: DTZ001

    def test_two_preparations_at_once_leave_one_whole_file(
        self, definitions: FeatureSet, prepare: Prepare, tmp_path: Path
    ) -> None:
        threads = [threading.Thread(target=prepare) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert list(tmp_path.iterdir()) == [definitions.source_path]
        assert prepare().changed is False


class TestCsv:
    def test_public_file_goes_through_unchanged(
        self, definitions: FeatureSet, prepare: Prepare, csv_path: Path
    ) -> None:
        ids = [str(number) for number in range(1, 10_001)]
        records = generate_records(definitions, seed=9, ids=ids)
        records.astype({definitions.key_names[0]: int}).to_csv(csv_path, index=False)
        prepared = prepare()
        assert (prepared.records, prepared.origin) == (10_000, str(csv_path))
        stored = pd.read_parquet(definitions.source_path)
        pd.testing.assert_frame_equal(stored[records.columns], records)
        assert (stored["timestamp"].dt.hour == stored["transaction_hour"]).all()

    def test_second_time_nothing_changes_until_the_file_does(
        self, definitions: FeatureSet, prepare: Prepare, csv_path: Path, public_records: pd.DataFrame
    ) -> None:
        public_records.to_csv(csv_path, index=False)
        prepare()
        before = state(definitions.source_path)
        assert prepare().changed is False
        assert state(definitions.source_path) == before
        public_records.head(10).to_csv(csv_path, index=False)
        assert prepare().records == 10

    def test_aged_out_timestamps_are_made_anew(
        self,
        definitions: FeatureSet,
        prepare: Prepare,
        csv_path: Path,
        public_records: pd.DataFrame,
        now: datetime,
    ) -> None:
        public_records.to_csv(csv_path, index=False)
        prepare()
        csv_path.unlink()
        assert prepare(now=now + timedelta(days=31)).changed is True
        assert min(row.event_timestamp for row in latest_rows(definitions).values()) > now

    def test_column_order_and_further_columns_are_free(
        self, definitions: FeatureSet, prepare: Prepare, csv_path: Path, public_records: pd.DataFrame
    ) -> None:
        public_records["postcode"] = "01067"
        public_records[reversed(public_records.columns)].to_csv(csv_path, index=False)
        prepare()
        stored = pd.read_parquet(definitions.source_path)
        pd.testing.assert_frame_equal(stored[public_records.columns], public_records)

    def test_label_that_the_source_renames_is_read_by_its_own_name(
        self, definitions: FeatureSet, prepare: Prepare, csv_path: Path, public_records: pd.DataFrame
    ) -> None:
        prepare()
        renaming = replace(definitions, source_columns={LABEL: "Class"})
        prepare(definitions=renaming)
        assert set(pq.read_table(definitions.source_path).column("Class").to_pylist()) == {0, 1}
        found = public_records.rename(columns={LABEL: "Class"}).astype({"Class": bool})
        found.to_csv(csv_path, index=False)
        prepare(definitions=renaming)
        assert pd.read_parquet(definitions.source_path)["Class"].equals(public_records[LABEL])
        found.astype({"Class": int}).replace({"Class": {1: 2}}).to_csv(csv_path, index=False)
        with pytest.raises(DatasetRefused, match="Class: neither 0 nor 1 in"):
            prepare(definitions=renaming)

    def test_ids_keep_leading_zeros(
        self, definitions: FeatureSet, prepare: Prepare, csv_path: Path, public_records: pd.DataFrame
    ) -> None:
        public_records[definitions.key_names[0]] = [f"{number:05}" for number in range(len(public_records))]
        public_records.to_csv(csv_path, index=False)
        prepare()
        assert ("00007",) in latest_rows(definitions)

    def test_whole_numbers_written_as_floats_and_flags_written_as_words_are_read(
        self, definitions: FeatureSet, prepare: Prepare, csv_path: Path, public_records: pd.DataFrame
    ) -> None:
        written = public_records.astype({"cardholder_age": float, "foreign_transaction": bool, LABEL: bool})
        written[definitions.key_names[0]] = written[definitions.key_names[0]].astype(float)
        written.to_csv(csv_path, index=False)
        prepare()
        stored = pd.read_parquet(definitions.source_path)
        pd.testing.assert_frame_equal(stored[public_records.columns], public_records)

    def test_timestamps_in_the_file_are_kept(
        self, definitions: FeatureSet, prepare: Prepare, csv_path: Path, public_records: pd.DataFrame
    ) -> None:
        public_records["timestamp"] = "2020-05-01T12:00:00+02:00"
        public_records.to_csv(csv_path, index=False)
        prepare(refresh=True)
        assert {row.event_timestamp for row in latest_rows(definitions).values()} == {
            datetime(2020, 5, 1, 10, tzinfo=timezone.utc)
        }
        assert prepare().changed is False

    @pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
    def test_time_that_leaves_the_calendar_in_utc_is_refused_with_its_line(
        self, prepare: Prepare, csv_path: Path, public_records: pd.DataFrame, moment: str
    ) -> None:
        public_records["timestamp"] = "2026-11-01T10:00:00Z"
        public_records.loc[3, "timestamp"] = moment
        public_records.to_csv(csv_path, index=False)
        with pytest.raises(DatasetRefused) as raised:
            prepare()
        assert raised.value.about["problems"] == (
            f"timestamp: not a time (ISO 8601) in 1 row (line 5: '{moment}')",
        )

    def test_first_and_last_time_of_the_calendar_are_read(
        self, definitions: FeatureSet, prepare: Prepare, csv_path: Path, public_records: pd.DataFrame
    ) -> None:
        public_records["timestamp"] = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] * 100
        public_records.to_csv(csv_path, index=False)
        prepare()
        written = pq.read_table(definitions.source_path, columns=["timestamp", "created_timestamp"])
        assert {row["timestamp"].year for row in written.to_pylist()} == {1, 9999}
        assert prepare().changed is False

    @pytest.mark.parametrize(
        ("column", "value", "named"),
        [
            ("amount", "abc", "amount: not a number in 1 row (line 5: 'abc')"),
            ("amount", "", "amount: missing in 1 row (line 5)"),
            ("amount", "NaN", "amount: not a number in 1 row (line 5: 'NaN')"),
            ("amount", "-1", "amount: below 0 in 1 row (line 5: '-1')"),
            ("transaction_hour", "24", "transaction_hour: above 23 in 1 row (line 5: '24')"),
            ("transaction_id", "1", "transaction_id: repeated in 2 rows (line 2: '1', line 5: '1')"),
            (LABEL, "2", "is_fraud: neither 0 nor 1 in 1 row (line 5: '2')"),
            (LABEL, "-1", "is_fraud: neither 0 nor 1 in 1 row (line 5: '-1')"),
            (LABEL, "yes", "is_fraud: neither 0 nor 1 in 1 row (line 5: 'yes')"),
        ],
    )
    def test_broken_file_is_refused_and_the_parquet_stays(
        self,
        definitions: FeatureSet,
        prepare: Prepare,
        csv_path: Path,
        public_records: pd.DataFrame,
        column: str,
        value: str,
        named: str,
    ) -> None:
        prepare()
        before = state(definitions.source_path)
        broken = public_records.astype(str)
        broken.loc[3, column] = value
        broken.to_csv(csv_path, index=False)
        with pytest.raises(DatasetRefused) as raised:
            prepare()
        assert raised.value.about["problems"] == (named,)
        assert str(csv_path) in raised.value.way_out
        assert state(definitions.source_path) == before

    def test_missing_column_is_named_with_the_way_out(
        self, prepare: Prepare, csv_path: Path, public_records: pd.DataFrame
    ) -> None:
        public_records.drop(columns="amount").to_csv(csv_path, index=False)
        with pytest.raises(ColumnsMissing) as raised:
            prepare()
        assert raised.value.about["columns"] == ("amount",)
        assert raised.value.way_out == f"Add amount to {csv_path}, then: python scripts/feast_setup.py"

    def test_time_of_writing_without_event_time_is_refused(
        self, prepare: Prepare, csv_path: Path, public_records: pd.DataFrame
    ) -> None:
        public_records.assign(created_timestamp="2024-01-01").to_csv(csv_path, index=False)
        with pytest.raises(ColumnsMissing, match="no column timestamp"):
            prepare()

    def test_feature_declared_later_is_asked_of_the_csv_and_taken_from_it(
        self,
        definitions: FeatureSet,
        prepare: Prepare,
        csv_path: Path,
        public_records: pd.DataFrame,
        declare: Callable[..., FeatureSet],
    ) -> None:
        public_records.to_csv(csv_path, index=False)
        prepare()
        before = state(definitions.source_path)
        more = declare("new_feature", Int64)
        with pytest.raises(ColumnsMissing, match=f"Add new_feature to {csv_path}"):
            prepare(definitions=more)
        assert state(definitions.source_path) == before
        public_records.assign(new_feature=range(200)).to_csv(csv_path, index=False)
        prepared = prepare(definitions=more)
        assert (prepared.changed, prepared.added_columns) == (True, ())
        assert latest_rows(more, [("5",)])[("5",)].values["new_feature"] == 4

    def test_further_column_that_is_declared_later_is_there_already(
        self,
        definitions: FeatureSet,
        prepare: Prepare,
        csv_path: Path,
        public_records: pd.DataFrame,
        declare: Callable[..., FeatureSet],
    ) -> None:
        public_records.assign(new_feature=range(200)).to_csv(csv_path, index=False)
        prepare()
        assert prepare(definitions=declare("new_feature", Int64)).changed is True
        assert pq.read_schema(definitions.source_path).field("new_feature").type == pa.int64()

    def test_limits_that_records_in_place_break_are_reported_by_line_of_the_csv(
        self,
        prepare: Prepare,
        csv_path: Path,
        public_records: pd.DataFrame,
        definitions: FeatureSet,
    ) -> None:
        public_records["cardholder_age"] = [17] + [30] * 199
        public_records.to_csv(csv_path, index=False)
        prepare()
        features = tuple(
            replace(item, tags={"min": "18"}) if item.name == "cardholder_age" else item
            for item in definitions.features
        )
        with pytest.raises(DatasetRefused) as raised:
            prepare(definitions=replace(definitions, features=features))
        assert raised.value.about["problems"] == ("cardholder_age: below 18 in 1 row (line 2: '17')",)

    @given(data=st.data())
    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_values_survive_from_csv_to_parquet(
        self, data: st.DataObject, definitions: FeatureSet, csv_path: Path, now: datetime
    ) -> None:
        words = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1)
        texts = words.filter(lambda text: text.strip() != "")
        rows = data.draw(
            st.lists(
                st.tuples(
                    texts.map(lambda text: f"id {text.strip()}"),
                    st.floats(0, allow_infinity=False),
                    st.integers(-(2**63), 2**63 - 1),
                    texts,
                ),
                min_size=1,
                unique_by=lambda row: row[0],
            )
        )
        declared = replace(
            definitions,
            features=tuple(
                replace(definitions.features[0], name=name, dtype=dtype, tags={})
                for name, dtype in (("number", Float64), ("whole", Int64), ("words", String))
            ),
        )
        names = [*declared.key_names, *declared.names]
        pd.DataFrame(rows, columns=names).assign(**{LABEL: 0}).to_csv(csv_path, index=False)
        write_dataset(check_dataset(declared, csv_path.parent, now))
        stored = latest_rows(declared)
        assert {key: tuple(row.values.values()) for key, row in stored.items()} == {
            (transaction_id,): tuple(values) for transaction_id, *values in rows
        }


class TestParquet:
    @pytest.mark.parametrize("lacking", ["timestamp", "created_timestamp"])
    def test_file_without_a_time_is_refused_and_given_none(
        self, definitions: FeatureSet, prepare: Prepare, persons_parquet: pd.DataFrame, lacking: str
    ) -> None:
        persons_parquet.drop(columns=lacking).to_parquet(definitions.source_path, index=False)
        before = state(definitions.source_path)
        for refresh in (False, True):
            with pytest.raises(ColumnsMissing, match=f"has no column {lacking} ") as raised:
                prepare(refresh=refresh)
        assert f"Add {lacking} to" in raised.value.way_out
        assert state(definitions.source_path) == before

    @pytest.mark.parametrize(
        ("column", "change", "said"),
        [
            (
                "transaction_id",
                lambda ids: ids.astype("int64"),
                "transaction_id: int64, and declared as text",
            ),
            (
                "foreign_transaction",
                lambda flags: flags.astype(bool),
                "foreign_transaction: bool, and declared",
            ),
            ("amount", lambda amounts: amounts.astype(str), "amount: string, and declared as a number"),
            ("timestamp", lambda times: times.astype(str), "timestamp: string, and no timestamps"),
        ],
    )
    def test_column_of_a_type_that_nobody_reads_is_named_and_left(
        self,
        definitions: FeatureSet,
        prepare: Prepare,
        persons_parquet: pd.DataFrame,
        tmp_path: Path,
        column: str,
        change: Callable[[pd.Series], pd.Series],
        said: str,
    ) -> None:
        """Also outside of the data's folder: setup writes over nothing but what it has made."""
        changed = persons_parquet.assign(**{column: change(persons_parquet[column])})
        for path in (definitions.source_path, tmp_path / "warehouse" / "payments.parquet"):
            path.parent.mkdir(exist_ok=True)
            changed.to_parquet(path, index=False)
            before = state(path)
            with pytest.raises(DatasetRefused, match=said):
                prepare(definitions=replace(definitions, source_path=path))
            assert state(path) == before

    def test_file_of_pandas_own_types_is_used_as_it_is(
        self, definitions: FeatureSet, prepare: Prepare, persons_parquet: pd.DataFrame
    ) -> None:
        typed = {"merchant_category": "category", "cardholder_age": "float64"}
        written = persons_parquet.astype(typed).convert_dtypes().set_index(definitions.key_names[0])
        written.to_parquet(definitions.source_path)
        before = state(definitions.source_path)
        prepared = prepare()
        assert (prepared.changed, prepared.records) == (False, len(persons_parquet))
        assert state(definitions.source_path) == before
        row = latest_rows(definitions, [("7",)])[("7",)]
        assert row.values == persons_parquet.loc[6, list(definitions.names)].to_dict()

    def test_prepared_file_of_a_person_is_left_alone(
        self, definitions: FeatureSet, prepare: Prepare, persons_parquet: pd.DataFrame
    ) -> None:
        before = state(definitions.source_path)
        for refresh in (False, True):
            prepared = prepare(refresh=refresh)
            assert (prepared.changed, prepared.records) == (False, len(persons_parquet))
        assert state(definitions.source_path) == before

    def test_naive_timestamps_of_a_person_are_utc(
        self, definitions: FeatureSet, prepare: Prepare, persons_parquet: pd.DataFrame
    ) -> None:
        naive = persons_parquet.copy()
        for name in ("timestamp", "created_timestamp"):
            naive[name] = naive[name].dt.tz_localize(None)
        naive.to_parquet(definitions.source_path, index=False)
        before = state(definitions.source_path)
        assert prepare().changed is False
        assert state(definitions.source_path) == before
        found = latest_rows(definitions, [("7",)])[("7",)].event_timestamp
        assert found == persons_parquet.loc[6, "timestamp"]

    def test_same_moment_twice_is_refused(
        self, definitions: FeatureSet, prepare: Prepare, persons_parquet: pd.DataFrame
    ) -> None:
        persons_parquet.loc[1, "timestamp"] = persons_parquet.loc[0, "timestamp"]
        persons_parquet.to_parquet(definitions.source_path, index=False)
        before = state(definitions.source_path)
        with pytest.raises(DatasetRefused) as raised:
            prepare()
        assert raised.value.about["problems"] == (
            "transaction_id: repeated at the same time in 2 rows (row 0: '1', row 1: '1')",
        )
        assert state(definitions.source_path) == before

    def test_numbers_in_place_of_timestamps_are_refused(
        self, definitions: FeatureSet, prepare: Prepare, persons_parquet: pd.DataFrame
    ) -> None:
        persons_parquet.assign(timestamp=1_700_000_000).to_parquet(definitions.source_path)
        with pytest.raises(DatasetRefused, match=r"timestamp: not a time \(ISO 8601\) in 200 rows"):
            prepare()

    @pytest.mark.parametrize("unit", ["s", "ms", "us"])
    def test_times_that_were_counted_in_another_unit_are_refused(
        self, definitions: FeatureSet, prepare: Prepare, persons_parquet: pd.DataFrame, unit: str
    ) -> None:
        persons_parquet.to_parquet(definitions.source_path, index=False)
        table = pq.read_table(definitions.source_path)
        counts = [*range(199), 10**15 if unit == "s" else 2**60]
        place = table.column_names.index("timestamp")
        strange = table.set_column(place, "timestamp", pa.array(counts, pa.timestamp(unit, "UTC")))
        pq.write_table(strange, definitions.source_path, version="2.6", coerce_timestamps=None)
        with pytest.raises(
            DatasetRefused, match=r"of no year from 1 to 9999 in 1 row \(row 199: [0-9]+ [mu]s s"
        ):
            prepare()

    def test_file_edited_with_pandas_is_a_persons(
        self, definitions: FeatureSet, prepare: Prepare, now: datetime
    ) -> None:
        prepare()
        edited = pd.read_parquet(definitions.source_path).assign(amount=1.0)
        edited.to_parquet(definitions.source_path)
        assert prepare(now=now + timedelta(days=99), refresh=True).changed is False
        pd.testing.assert_frame_equal(pd.read_parquet(definitions.source_path), edited)

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"transaction_id,amount\n1,2\n"])
    def test_what_is_no_parquet_is_unreadable_and_stays(
        self, definitions: FeatureSet, prepare: Prepare, content: bytes
    ) -> None:
        definitions.source_path.write_bytes(content)
        with pytest.raises(DatasetUnreadable):
            prepare(refresh=True)
        assert definitions.source_path.read_bytes() == content

    def test_file_without_records_is_refused(
        self, definitions: FeatureSet, prepare: Prepare, public_records: pd.DataFrame
    ) -> None:
        public_records.head(0).to_parquet(definitions.source_path, index=False)
        with pytest.raises(DatasetRefused, match="it has no records"):
            prepare()


class TestChecked:
    def test_check_gives_what_the_preparation_then_writes(
        self, definitions: FeatureSet, prepare: Prepare, tmp_path: Path, now: datetime
    ) -> None:
        checked = check_dataset(definitions, tmp_path, now)
        assert checked.changed
        assert not definitions.source_path.exists()
        prepare()
        assert pq.read_table(definitions.source_path).equals(checked.table)

    def test_prepared_parquet_holds_as_it_is(
        self, definitions: FeatureSet, prepare: Prepare, tmp_path: Path, now: datetime
    ) -> None:
        prepare()
        assert check_dataset(definitions, tmp_path, now).changed is False

    def test_file_that_breaks_a_rule_is_refused_and_nothing_is_written(
        self, definitions: FeatureSet, public_records: pd.DataFrame, csv_path: Path, now: datetime
    ) -> None:
        public_records.loc[3, "amount"] = -1.0
        public_records.to_csv(csv_path, index=False)
        with pytest.raises(DatasetRefused, match=r"amount: below 0 in 1 row \(line 5"):
            check_dataset(definitions, csv_path.parent, now)
        assert not definitions.source_path.exists()
