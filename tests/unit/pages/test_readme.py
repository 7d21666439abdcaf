from pathlib import Path
from typing import Any

from poc.pages.scaling import readme_page


def test_rows_of_the_first_table_show_what_was_measured(root: Path, documents: Any) -> None:
    page = readme_page(documents, (root / "README.md").read_text())
    assert "| Feast's own call, against a direct read | 1.20 times (1.19 to 1.21) as long" in page
    assert "| 10,000 rows 12 times as fast into the same tables, 50 times into the row store: 50.0 s" in page
    assert "| Predictions a second | 90 through Feast, 101 on the row store, 100 with direct reads" in page


def test_what_is_written_by_hand_stays(root: Path, documents: Any) -> None:
    before = (root / "README.md").read_text().splitlines()
    after = readme_page(documents, "\n".join(before)).splitlines()
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 3
