"""A Cassandra with guardrails, by an ordinary role, which they bind: what need not fail does not.

Its operator allows few keys a statement, and no LOCAL_ONE.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from place import Place, make_place
from ports import free_port
from quick_java import quick_java
from tenacity import retry, stop_after_delay, wait_fixed

from poc.local_cassandra import node
from poc.local_cassandra.cluster import EmbeddedCassandra
from poc.local_cassandra.embedded import start_embedded, stop_embedded
from poc.online_store.connection import ConnectionSettings
from poc.online_store.errors import RefusedByGuardrail
from poc.online_store.failures import cassandra_failures
from poc.online_store.generations import Generations
from poc.online_store.roles import set_login
from poc.online_store.session import SCHEMA, cassandra_session

FEWEST = 3
GUARDRAILS = f"""
authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
partition_keys_in_select_fail_threshold: 5
in_select_cartesian_product_fail_threshold: {FEWEST}
read_consistency_levels_disallowed: [LOCAL_ONE]
write_consistency_levels_disallowed: [ANY, ONE, LOCAL_ONE]
"""
ROLE = "ordinary"
LOGIN = {"CASSANDRA_USERNAME": ROLE, "CASSANDRA_PASSWORD": ROLE}
AWAITED = """
import asyncio
from pathlib import Path
from feast import FeatureStore
store = FeatureStore("feature_repo", fs_yaml_file=Path({yaml!r}))
rows = [{{"transaction_id": str(number)}} for number in range(1, 31)]
for _ in range(2):
    asked = store.get_online_features_async(["transaction_features:amount"], rows)
    found = asyncio.run(asked).to_dict()
    assert None not in found["amount"], found
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCassandra]:
    """One node with guardrails, and a role that is no superuser."""
    folder = tmp_path_factory.mktemp("guarded")
    templates = shutil.copytree(node.TEMPLATES, folder / "templates")
    (templates / "open.yaml").write_text(GUARDRAILS)
    with quick_java(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(node, "TEMPLATES", templates)
        started = start_embedded(folder / "cassandra", free_port())
    make_role(replace(started.endpoint, username="cassandra", password="cassandra"))
    yield started
    stop_embedded(folder / "cassandra")


# A node makes its first superuser seconds after it listens.
@retry(stop=stop_after_delay(60), wait=wait_fixed(0.5), reraise=True)
def make_role(superuser: ConnectionSettings) -> None:
    with cassandra_session(superuser) as session:
        set_login(session, ROLE, ROLE, superuser=False)
        session.execute(f"GRANT ALL PERMISSIONS ON ALL KEYSPACES TO {ROLE}", execution_profile=SCHEMA)


@pytest.fixture(scope="module")
def as_it_comes(
    guarded: EmbeddedCassandra,
    tmp_path_factory: pytest.TempPathFactory,
    copy_project: Callable[[Path], Path],
) -> Place:
    """A copy of the project on the row store, which states no level."""
    return make_place(tmp_path_factory.mktemp("copy") / "project", "rows.yaml", guarded, copy_project)


@pytest.fixture(scope="module")
def within(as_it_comes: Place) -> Place:
    """The same with the level that the way out asks for, its tables made and filled."""
    whole = yaml.safe_load(as_it_comes.yaml.read_text())
    whole["online_store"]["consistency_level"] = "LOCAL_QUORUM"
    path = as_it_comes.yaml.with_name("within.yaml")
    path.write_text(yaml.safe_dump(whole))
    place = replace(as_it_comes, yaml=path)
    for step in ("scripts/feast_setup.py", "scripts/feast_materialize.py"):
        succeed(place, step)
    return place


def succeed(place: Place, *command: str) -> str:
    status, said = place.run(*command, environment=LOGIN)
    assert status == 0, said
    return said


def test_refused_level_is_told_with_the_setting_that_states_another(as_it_comes: Place) -> None:
    status, said = as_it_comes.run("scripts/feast_setup.py", environment=LOGIN)
    what, way_out = said[said.index("✗") :].splitlines()
    assert status == 1
    assert what.startswith("✗ Cassandra refuses: Guardrail read_consistency_levels violated: ")
    assert "[LOCAL_ONE]" in what
    assert way_out.startswith("  State another read_consistency_level in online_store")


@pytest.mark.parametrize(
    "command",
    [
        ("scripts/feast_materialize.py", "--full"),
        ("scripts/test_feast.py",),
        ("scripts/check_consistency.py",),
        ("scripts/check_freshness.py",),
    ],
    ids=lambda command: Path(command[0]).stem,
)
def test_stated_level_and_few_keys_a_statement_are_enough_for_every_step(
    within: Place, command: tuple[str, ...]
) -> None:
    succeed(within, *command)


def test_awaited_reads_of_many_entities_ask_for_few_a_statement(within: Place) -> None:
    succeed(within, "-c", AWAITED.format(yaml=str(within.yaml)))


def test_comparison_tells_of_the_setting_for_the_keys_of_a_statement(within: Place) -> None:
    status, said = within.run("scripts/compare_feast_cassandra.py", "--requests", "50", environment=LOGIN)
    assert status == 1
    assert "State another read_keys_per_statement in online_store" in said


def test_refused_read_is_not_taken_for_a_view_without_generations(
    within: Place, guarded: EmbeddedCassandra
) -> None:
    refused = replace(guarded.endpoint, username=ROLE, password=ROLE, write_consistency="LOCAL_ONE")
    with (
        cassandra_session(refused) as session,
        pytest.raises(RefusedByGuardrail),
        cassandra_failures(refused),
    ):
        Generations(session, "feast_online_store", "ml_platform_poc").standing("transaction_features", False)
