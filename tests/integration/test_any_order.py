"""The guide's commands in another order than the guide's."""

from typing import Any

import pytest

pytestmark = pytest.mark.all_records


def test_apply_and_materialize_work_before_setup(workplace: Any) -> None:
    # What a person has after start_cassandra.py: keyspaces, no data, no registry.
    port = workplace.shell("grep port: feature_repo/feature_store.yaml").stdout.split()[-1]
    workplace.shell(f"python scripts/start_cassandra.py --port {port}")
    workplace.shell("feast -c feature_repo apply")
    assert "9,997 transactions" in workplace.shell("python scripts/feast_materialize.py").stderr
    assert workplace.shell("python scripts/test_feast.py").stdout.count("✓ Transaction") == 5


def test_retrieval_before_materialization_says_what_to_do(workplace: Any) -> None:
    workplace.shell("python -c \"import pathlib; pathlib.Path('data/registry.db').unlink()\"")
    failed = workplace.shell("python scripts/test_feast.py", check=False)
    assert failed.returncode == 1
    assert "python scripts/feast_setup.py" in failed.stderr


def test_install_without_a_supported_python_is_one_clear_line(workplace: Any) -> None:
    failed = workplace.shell(
        "env -u VIRTUAL_ENV PATH=/usr/bin:/bin PYTHON=false scripts/01_install.sh", check=False
    )
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "Python 3.10, 3.11 or 3.12" in failed.stderr
