"""A Spark cluster on loopback: a standalone master, workers and a Connect server.

Four real processes from the pyspark package, for tests, benchmarks and a first look. A
district's own cluster takes their place by TRACKLINE_SPARK_REMOTE alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from trackline.settings import ROOT, RefusedError

__all__ = ["Cluster", "down", "require_java", "running", "up"]

FOLDER = ROOT / "data" / "spark"
PATIENCE_SECONDS = 90.0
# what an empty executor and its Python workers leave of it is 0.5 GB
WORKER_MEMORY, EXECUTOR_MEMORY = "1g", "1g"
DRIVER_MEMORY, DAEMON_MEMORY = "1g", "256m"
JAVA = (
    # with one tier the code cache has 48 MB, and a build of this size fills it
    "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m"
)


@dataclass(frozen=True)
class Cluster:
    """The processes that run, as `<folder>/cluster.json` remembers them.

    Attributes
    ----------
    remote : str
        What TRACKLINE_SPARK_REMOTE has to be.
    master, server : int
        Process ids; each leads a session of its own.
    workers : list of int
    """

    remote: str
    master: int
    workers: list[int]
    server: int

    @property
    def processes(self) -> list[int]:
        """Every process id, in the order in which they should end."""
        return [self.server, *self.workers, self.master]


def require_java() -> None:
    """Raise RefusedError, one plain sentence, where Spark cannot run."""
    java = os.environ.get("JAVA_HOME")
    if not (shutil.which("java") or (java and (Path(java) / "bin" / "java").exists())):
        raise RefusedError(
            "Spark needs Java 17 or newer, and there is no `java`: install a JRE"
            " (Debian: openjdk-17-jre-headless) or set JAVA_HOME"
        )
    try:
        import pyspark  # noqa: F401
    except ImportError:
        raise RefusedError(
            "pyspark is not installed: `make spark-up` and `make test-spark` install"
            " requirements-cluster.lock"
        ) from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _is_alive(process: int, folder: Path) -> bool:
    """Return whether the process runs, and is one that was started in the folder.

    A number that was ours may by now be somebody else's.
    """
    with contextlib.suppress(ChildProcessError):
        # a child of ours that has ended is a zombie until it is waited for
        ended, _ = os.waitpid(process, os.WNOHANG)
        if ended:
            return False
    try:
        os.kill(process, 0)
        # where there is no such list of processes (macOS) the number has to do
        has_list = os.path.exists("/proc/self/cwd")
        return not has_list or os.path.samefile(f"/proc/{process}/cwd", folder)
    except OSError:
        return False


def running(folder: Path = FOLDER) -> Cluster | None:
    """Return the cluster of a folder; None when its server does not run."""
    try:
        cluster = Cluster(**json.loads((folder / "cluster.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return cluster if _is_alive(cluster.server, folder) else None


def up(
    folder: Path = FOLDER,
    workers: int = 2,
    port: int = 15002,
    settings: Mapping[str, object] | None = None,
) -> Cluster:
    """Start the cluster, and wait until it answers; a running one is left alone.

    Parameters
    ----------
    folder : Path
        Logs, tables (`warehouse`), the catalog and the process ids.
    workers : int
        One core and 1 GB each.
    port : int
        The Connect server's; 0 takes a free one.
    settings : mapping of str to object, optional
        Further settings of Spark.

    Raises
    ------
    RefusedError
        Without Java, or when a process ends before it answers: names its log.
    """
    require_java()
    if cluster := running(folder):
        return cluster
    down(folder)
    for name in ("logs", "work", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    master_port, port = _free_port(), port or _free_port()
    url = f"spark://127.0.0.1:{master_port}"
    started: dict[str, subprocess.Popen] = {}
    try:
        started["master"] = _start(
            folder, "master", "org.apache.spark.deploy.master.Master",
            "--host", "127.0.0.1", "--port", str(master_port), "--webui-port", "0",
        )  # fmt: skip
        _wait(folder, "master", started["master"], master_port)
        for number in range(workers):
            name = f"worker-{number + 1}"
            started[name] = _start(
                folder, name, "org.apache.spark.deploy.worker.Worker",
                "--host", "127.0.0.1", "--webui-port", "0", "--cores", "1",
                "--memory", WORKER_MEMORY, "--work-dir", str(folder / "work"), url,
            )  # fmt: skip
        started["server"] = _start_server(folder, url, port, settings or {})
        _wait(folder, "server", started["server"], port)
    except RefusedError:
        _end([process.pid for process in started.values()], folder)
        raise
    cluster = Cluster(
        remote=f"sc://127.0.0.1:{port}",
        master=started["master"].pid,
        workers=[started[f"worker-{n + 1}"].pid for n in range(workers)],
        server=started["server"].pid,
    )
    (folder / "cluster.json").write_text(json.dumps(asdict(cluster)))
    return cluster


def down(folder: Path = FOLDER) -> bool:
    """End the cluster of a folder; False when there is none."""
    try:
        cluster = Cluster(**json.loads((folder / "cluster.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return False
    _end(cluster.processes, folder)
    (folder / "cluster.json").unlink()
    return True


def _end(processes: list[int], folder: Path) -> None:
    for process in processes:
        if _is_alive(process, folder):
            os.kill(process, signal.SIGTERM)
            _wait_for_end(process, folder, 15)
            if _is_alive(process, folder):
                os.kill(process, signal.SIGKILL)
                _wait_for_end(process, folder, 5)


def _wait_for_end(process: int, folder: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while _is_alive(process, folder) and time.monotonic() < deadline:
        time.sleep(0.05)


def _environment(folder: Path, memory: str) -> dict[str, str]:
    import pyspark

    return {
        **os.environ,
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder / "tmp"),
        # a Connect server counts as a daemon, and spark.driver.memory goes unheard
        "SPARK_DAEMON_MEMORY": memory,
        "SPARK_CONNECT_MODE": "0",
        # the tasks run in this environment: trackline is installed in it
        "PYSPARK_PYTHON": sys.executable,
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _start(folder: Path, name: str, *arguments: str) -> subprocess.Popen:
    return _spawn(folder, name, DAEMON_MEMORY, "spark-class", *arguments)


def _spawn(
    folder: Path, name: str, memory: str, script: str, *arguments: str
) -> subprocess.Popen:
    environment = _environment(folder, memory)
    with open(folder / "logs" / f"{name}.log", "wb") as log:
        return subprocess.Popen(
            [str(Path(environment["SPARK_HOME"]) / "bin" / script), *arguments],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _start_server(
    folder: Path, url: str, port: int, further: Mapping[str, object]
) -> subprocess.Popen:
    catalog = f"jdbc:derby:;databaseName={folder / 'catalog'};create=true"
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": port,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.executor.memory": EXECUTOR_MEMORY,
        "spark.ui.enabled": "false",
        # tables outlive the server
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.warehouse.dir": folder / "warehouse",
        "spark.hadoop.javax.jdo.option.ConnectionURL": catalog,
        # short lives on few cores: the optimising compiler never earns its time
        "spark.driver.extraJavaOptions": f"{JAVA} -Dderby.system.home={folder}",
        "spark.executor.extraJavaOptions": JAVA,
        # two cores: more partitions than these cost more than they give
        "spark.sql.shuffle.partitions": 2,
        "spark.default.parallelism": 2,
        "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
        "spark.sql.sources.parallelPartitionDiscovery.threshold": 10000,
        **further,
    }
    options = [
        word
        for name, value in settings.items()
        for word in ("--conf", f"{name}={value}")
    ]
    return _spawn(
        folder, "server", DRIVER_MEMORY, "spark-submit", "--master", url,
        "--class", "org.apache.spark.sql.connect.service.SparkConnectServer",
        "--name", "trackline", *options,
    )  # fmt: skip


def _wait(folder: Path, name: str, process: subprocess.Popen, port: int) -> None:
    log = folder / "logs" / f"{name}.log"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RefusedError(f"Spark's {name} ended before it answered: see {log}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RefusedError(
        f"Spark's {name} did not answer in {PATIENCE_SECONDS:g} s: see {log}"
    )
