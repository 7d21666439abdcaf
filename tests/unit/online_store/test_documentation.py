import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from poc.online_store.arrow_engine import ArrowMaterializationEngineConfig
from poc.online_store.row_store import CassandraRowOnlineStoreConfig

PAGE = Path(__file__).parents[3] / "docs" / "online_store.md"


@pytest.mark.parametrize(
    ("heading", "config"),
    [
        ("## Settings under `online_store:`", CassandraRowOnlineStoreConfig),
        ("## Settings under `batch_engine:`", ArrowMaterializationEngineConfig),
    ],
)
def test_every_setting_has_its_line_in_the_documentation(heading: str, config: type[BaseModel]) -> None:
    section = PAGE.read_text().split(heading)[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    documented = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert documented == set(config.model_fields) - {"type"}


def test_package_imports_nothing_else_of_this_project() -> None:
    package = Path(__file__).parents[3] / "poc" / "online_store"
    imports = re.compile(r"^\s*(?:from|import) (poc\.\w+)", re.MULTILINE)
    found = {name for path in package.glob("*.py") for name in imports.findall(path.read_text())}
    assert found == {"poc.online_store"}
