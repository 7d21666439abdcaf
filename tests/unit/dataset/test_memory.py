"""How much memory the preparation of a large CSV holds, in a process of its own; MEMORY_ROWS takes more."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pytest

from poc.dataset.generate import generate_records
from poc.definitions import FeatureSet

ROWS = int(os.environ.get("MEMORY_ROWS", "200000"))
MIB = 2**20
# With a million rows 698 MiB: what the process holds anyway, and a row with its text and its values.
FEW_ROWS_MIB, BYTES_A_ROW = 350, 365
PREPARE = """
import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from poc.dataset.prepare import check_dataset, write_dataset
from poc.repository import declared_service
from poc.settings import Settings

repo, parquet = map(Path, sys.argv[1:])
[declared] = declared_service(Settings(_env_file=None, feast_repo_path=repo)).feature_sets
declared = replace(declared, source_path=parquet)
prepared = write_dataset(check_dataset(declared, parquet.parent, datetime(2026, 11, 24, tzinfo=timezone.utc)))
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(prepared.records, int(peak.split()[1]) * 1024)
"""


def write_csv(path: Path, definitions: FeatureSet, rows: int, times: bool) -> None:
    some = generate_records(definitions, 1, [str(number) for number in range(20_000)])
    table = pa.concat_tables([pa.Table.from_pandas(some, preserve_index=False)] * -(-rows // 20_000))
    table = table.slice(0, rows)
    ids = pc.binary_join_element_wise("payment", pa.array(range(rows)).cast(pa.string()), "-")
    table = table.set_column(table.column_names.index("transaction_id"), "transaction_id", ids)
    if times:
        seconds = pa.array(range(1_700_000_000, 1_700_000_000 + rows)).cast(pa.timestamp("s", "UTC"))
        table = table.append_column("timestamp", pc.strftime(seconds, "%Y-%m-%dT%H:%M:%S+01:00"))
    pacsv.write_csv(table, path)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak where Linux tells it")
@pytest.mark.parametrize("times", [False, True], ids=["without times", "with times of its own"])
@pytest.mark.fault("Data", "a file many times the memory that is wanted", "prepared in bounded memory")
def test_a_large_csv_is_prepared_in_bounded_memory(
    root: Path, definitions: FeatureSet, csv_path: Path, times: bool
) -> None:
    write_csv(csv_path, definitions, ROWS, times)
    command = [sys.executable, "-c", PREPARE, str(root / "feature_repo"), str(definitions.source_path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    records, peak = map(int, done.stdout.split())
    assert records == ROWS
    assert peak < FEW_ROWS_MIB * MIB + BYTES_A_ROW * ROWS, f"{peak // MIB} MiB"
