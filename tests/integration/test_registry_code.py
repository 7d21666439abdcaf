"""A function that was pickled into the registry is not run by a server, unless it may be."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from feast.protos.feast.core.Registry_pb2 import Registry
from own_sessions import apply_definitions
from ports import free_port
from server_process import ServerProcess
from small_model import register
from stored_features import environment, serving_settings

from poc.definitions import ServedFeatures
from poc.online_store.connection import ConnectionSettings
from poc.settings import Settings


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.file}",)


@pytest.fixture
def planted(
    tmp_path: Path, cassandra: ConnectionSettings, keyspace: str, definitions: ServedFeatures
) -> tuple[Settings, Path]:
    """A project whose registry somebody has added a view to, and the file that its function makes."""
    settings = serving_settings(tmp_path, cassandra, keyspace)
    apply_definitions(settings)
    register(settings, definitions)
    path, made = tmp_path / "registry.db", tmp_path / "made"
    registry = Registry.FromString(path.read_bytes())
    view = registry.on_demand_feature_views.add()
    view.spec.name, view.spec.project = "planted", registry.feature_views[0].spec.project
    view.spec.mode = "pandas"
    for function in (
        view.spec.user_defined_function,
        view.spec.feature_transformation.user_defined_function,
    ):
        function.name, function.body = "planted", pickle.dumps(Planted(made))
    path.write_bytes(registry.SerializeToString())
    return settings, made


@pytest.mark.parametrize(("mode", "runs"), [("refuse", False), ("run", True)])
@pytest.mark.fault(
    "Registry", "a pickled function planted in it", "a server refuses and names the setting; it never runs"
)
def test_function_in_the_registry_is_run_only_where_it_may_be(
    planted: tuple[Settings, Path], tmp_path: Path, mode: str, runs: bool
) -> None:
    settings, made = planted
    variables = environment(settings) | {"REGISTRY_CODE": mode}
    server = ServerProcess("poc/serve_model_feast.py", free_port(), variables, tmp_path)
    try:
        server.wait_until(lambda server: "loading" not in server.get("/ready").text)
        answer = server.get("/ready")
        assert answer.status_code == 503
        assert ("REGISTRY_CODE=run" in answer.text) is not runs
        assert made.exists() is runs, answer.text
    finally:
        server.kill()
