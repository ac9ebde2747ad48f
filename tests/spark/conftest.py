"""One cluster for the session: a master, two workers and a Connect server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from trackline.cluster import processes
from trackline.settings import RefusedError


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    pytest.importorskip("pyspark", reason="requirements-cluster.lock is not installed")


@pytest.fixture(scope="session")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    try:
        processes.require_java()
    except RefusedError as error:
        pytest.skip(str(error))
    from spark_cluster import RunningCluster

    folder = tmp_path_factory.mktemp("cluster")
    try:
        running = RunningCluster(folder)
        yield running
        # a session that outlives its server tries for minutes to say goodbye
        running.session.stop()
    finally:
        processes.down(folder)


@pytest.fixture
def cluster(running_cluster):
    running_cluster.empty()
    return running_cluster
