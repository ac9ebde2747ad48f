"""The processes of a cluster on loopback, by their numbers; Spark is not needed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from trackline.cluster import processes


@pytest.fixture
def start():
    """Start a process that does nothing; it is ended with the test."""
    started = []

    def sleeping(folder) -> subprocess.Popen:
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        started.append(subprocess.Popen(command, cwd=folder))
        return started[-1]

    yield sleeping
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="only /proc tells whose a pid is")
def test_a_number_that_is_somebody_else_s_by_now_is_left_alone(tmp_path, start):
    folder, elsewhere = tmp_path / "spark", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    theirs, ours = start(elsewhere), start(folder)
    told = {
        "remote": "sc://127.0.0.1:1",
        "master": ours.pid,
        "workers": [],
        "server": theirs.pid,
    }
    (folder / "cluster.json").write_text(json.dumps(told))
    assert processes.running(folder) is None
    assert processes.down(folder)
    assert theirs.poll() is None
    assert ours.poll() is not None
