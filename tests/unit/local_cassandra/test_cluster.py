from pathlib import Path

from poc.local_cassandra.cluster import ClusterFolder, running_cluster


def with_data(cluster_path: Path) -> Path:
    data = cluster_path / "node1" / "data" / "a_table"
    data.parent.mkdir(parents=True)
    data.touch()
    return data


def test_clusters_of_different_size_have_folders_of_their_own(tmp_path: Path) -> None:
    names = [ClusterFolder(tmp_path, count).path.name for count in (1, 3)]
    assert names == ["1-node", "3-nodes"]


def test_a_secure_cluster_has_a_folder_of_its_own(tmp_path: Path) -> None:
    assert ClusterFolder(tmp_path, 3, secure=True).path.name == "3-nodes-secure"
    assert ClusterFolder(tmp_path, 3).tls_folder is None


def test_what_a_start_that_never_came_up_has_left_is_removed(tmp_path: Path) -> None:
    cluster = ClusterFolder(tmp_path, 1)
    data = with_data(cluster.path)
    cluster.prepare(9742)
    assert not data.exists()


def test_the_data_of_a_cluster_that_once_came_up_is_kept(tmp_path: Path) -> None:
    cluster = ClusterFolder(tmp_path, 1)
    data = with_data(cluster.path)
    cluster.ready.touch()
    cluster.prepare(9742)
    assert data.exists()


def test_a_cluster_keeps_its_storage_port(tmp_path: Path) -> None:
    cluster = ClusterFolder(tmp_path, 3)
    before = cluster.prepare(9742)
    assert cluster.prepare(9842).storage == before.storage


def test_a_stopped_cluster_is_described_with_the_ports_of_its_last_start(tmp_path: Path) -> None:
    cluster = ClusterFolder(tmp_path, 1)
    cluster.prepare(9742)
    state = cluster.state()
    assert (state.port, state.nodes[0].pid, state.is_complete) == (9742, None, False)


def test_where_no_node_runs_no_cluster_runs(tmp_path: Path) -> None:
    ClusterFolder(tmp_path, 1).prepare(9742)
    assert running_cluster(tmp_path) is None
