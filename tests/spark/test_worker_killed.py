"""A worker that goes down in mid-build: the others do its work. The last test here."""

from __future__ import annotations

import threading
import time

import open_university
from spark_cluster import BUILT, differences


def test_the_open_university_with_a_worker_killed(project, cluster, fixtures):
    open_university.configure(project, as_of="2015-06-30")
    open_university.deliver(project, fixtures, "2015-07-01T04:00:00")
    project.build(*BUILT)
    killed_at: list[float] = []
    tables = cluster.folder / "warehouse" / "main.db"

    def kill_in_the_merge() -> None:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            if any(tables.glob("int_usage_versions__next*")):
                cluster.kill_a_worker()
                killed_at.append(time.time())
                return
            time.sleep(0.02)

    watcher = threading.Thread(target=kill_in_the_merge)
    watcher.start()
    cluster.build(project, *BUILT)
    watcher.join()

    assert killed_at, "no worker was killed: the test has shown nothing"
    assert differences(project, cluster) == []
    before = cluster.tasks_by_executor(until=killed_at[0])
    after = cluster.tasks_by_executor(since=killed_at[0] + 5)
    assert len(before) == 2, f"both workers have worked: {before}"
    assert len(after) == 1, f"one worker has done the rest: {after}"
    assert project.rows(
        "select district_id, count(distinct student_id) from fct_daily_usage"
        " group by 1 order by 1"
    ) == [("aaa", 702), ("ggg", 2359)]
