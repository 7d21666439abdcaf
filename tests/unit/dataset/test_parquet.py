import resource
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from poc.dataset.parquet import Provenance, read_parquet, write_parquet
from poc.errors import DatasetNotWritten, DatasetUnreadable

NOTE = Provenance("csv", "ab" * 32, 1, own_timestamps=False)
TABLE = pa.table({"id": ["1", "2"], "amount": [1.0, 2.0]})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "x.parquet"


def test_what_is_written_is_read_with_its_note(path: Path) -> None:
    write_parquet(path, TABLE, NOTE)
    file = read_parquet(path)
    assert file is not None
    assert file.table.equals(TABLE)
    assert file.provenance == NOTE
    assert not file.owned


def test_file_of_someone_else_has_no_note(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "x.parquet")
    file = read_parquet(tmp_path / "x.parquet")
    assert file is not None
    assert file.owned


def test_same_table_and_note_give_the_same_bytes(path: Path) -> None:
    write_parquet(path, TABLE, NOTE)
    first = path.read_bytes()
    write_parquet(path, TABLE, NOTE)
    assert path.read_bytes() == first


def test_no_file_is_none(path: Path) -> None:
    assert read_parquet(path) is None


def test_notes_of_others_are_kept_but_for_those_of_pandas_on_types(path: Path) -> None:
    noted = TABLE.replace_schema_metadata({b"team": b"fraud", b"pandas": b"{}"})
    write_parquet(path, noted, NOTE)
    assert set(pq.read_schema(path).metadata) == {b"team", b"poc.dataset"}


def test_truncated_file_is_unreadable(path: Path) -> None:
    write_parquet(path, TABLE, NOTE)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DatasetUnreadable, match="no whole Parquet file"):
        read_parquet(path)


def test_empty_file_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").touch()
    with pytest.raises(DatasetUnreadable, match="no whole Parquet file"):
        read_parquet(tmp_path / "x.parquet")


def test_failed_write_leaves_the_old_file_and_nothing_beside_it(path: Path) -> None:
    write_parquet(path, TABLE, NOTE)
    before = path.read_bytes()
    unwritable = pa.table({"id": pa.array([None], pa.month_day_nano_interval())})
    with pytest.raises(pa.ArrowNotImplementedError):
        write_parquet(path, unwritable, NOTE)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_place_that_cannot_be_written_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatasetNotWritten, match="Cannot write"):
        write_parquet(tmp_path / "file" / "x.parquet", TABLE, NOTE)


def test_full_disk_is_an_error_and_leaves_the_old_file(path: Path) -> None:
    write_parquet(path, TABLE, NOTE)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(DatasetNotWritten, match="Make room"):
            write_parquet(path, TABLE, NOTE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_readers_meet_only_whole_files_while_two_write(path: Path) -> None:
    tables = [pa.table({"id": [str(size)] * size}) for size in (1_000, 50_000)]
    write_parquet(path, tables[0], NOTE)

    def write(table: pa.Table) -> None:
        for _ in range(15):
            write_parquet(path, table, NOTE)

    writers = [threading.Thread(target=write, args=[table]) for table in tables]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        file = read_parquet(path)
        assert file is not None
        assert any(file.table.equals(table) for table in tables)
    assert list(path.parent.iterdir()) == [path]
