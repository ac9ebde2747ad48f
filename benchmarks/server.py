"""The prediction server over HTTP: quality, CPU seconds and memory.

`python -m benchmarks.server [--output docs/benchmarks-server.md]`, about two minutes.
One worker on loopback; CPU and peak memory are the worker's own, from /proc. "MLP" is
a network of the reference's architecture (two hidden layers of max(8, d/3) ReLU units,
the same number of epochs and batches, no regularisation) trained here by scikit-learn
on the same rows: a stand-in, since the reference itself needs Python 3.7.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, brier_score_loss, f1_score, roc_auc_score
from sklearn.neural_network import MLPClassifier

from trackline.predictions.client import PredictionClient, ServerError
from trackline.predictions.dataset import Dataset, read_dataset, write_dataset
from trackline.settings import ROOT

REAL = ROOT.parent / "shared/moodle/datasets/test-366-1904-training.csv"
NOISE = 0.05
SEEDS = (1, 2, 3, 4, 5)
HEAD = """# The prediction server, measured

Written by `make bench-server` (`python -m benchmarks.server`). A fifth of the rows,
the same for both, is held out and predicted over HTTP; five draws are averaged. CPU
seconds and peak memory are those of the one worker, HTTP and CSV included. "MLP" has
the reference's architecture and training length but is scikit-learn's: the reference
itself runs on Python 3.7 only. The synthetic data is ours, so the reference's own
figures (accuracy 0.834 and AUC 0.901 on nonlinear, 0.935 and 0.952 on linear data of
that size; 3.8 CPU seconds to train, 29 to evaluate, 513 MB) are bars, not a race on the
same rows.
"""


def synthetic(kind: str, seed: int, rows: int = 5000, columns: int = 30) -> Dataset:
    """Return values in [-1, 1] with two decimals, as Moodle's indicators have."""
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 1, (rows, columns)).round(2)
    if kind == "linear":
        score = x @ random.normal(size=columns)
    else:
        score = (
            3 * x[:, 0] * x[:, 1]
            + 2 * np.sin(3 * x[:, 2])
            + 2 * (x[:, 3] > 0.2) * x[:, 4]
            + 1.5 * x[:, 5] ** 2
            + x[:, 6]
        )
    labels = (score > np.median(score)).astype(int)
    flipped = random.random(rows) < NOISE
    labels[flipped] = 1 - labels[flipped]
    names = tuple(f"indicator{i}" for i in range(columns))
    return Dataset(names, x.astype("f4"), (0, 1), labels=labels)


def real(seed: int) -> Dataset:
    with REAL.open("rb") as file:
        return read_dataset(file, labelled=True)


def split(dataset: Dataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(seed).permutation(len(dataset.labels))
    fifth = len(order) // 5
    return order[fifth:], order[:fifth]


def rows_of(dataset: Dataset, rows: np.ndarray, labelled: bool) -> bytes:
    part = Dataset(
        dataset.columns,
        dataset.features[rows],
        dataset.classes,
        labels=dataset.labels[rows] if labelled else None,
        sample_ids=None if labelled else tuple(f"{row}-0" for row in rows),
    )
    return write_dataset(part)


def quality(labels: np.ndarray, probability: np.ndarray) -> list[float]:
    predicted = probability > 0.5
    return [
        accuracy_score(labels, predicted),
        f1_score(labels, predicted, average="weighted"),
        roc_auc_score(labels, probability),
        brier_score_loss(labels, probability),
    ]


def stand_in(dataset: Dataset, kept: np.ndarray, out: np.ndarray) -> list[float]:
    x, y = dataset.features, dataset.labels
    x = x[:, np.ptp(x[kept], axis=0) > 0]
    units = max(8, x.shape[1] // 3)
    batches = min(10, -(-len(kept) // 1000))
    network = MLPClassifier(
        (units, units),
        alpha=0,
        max_iter=80 + 1_000_000 // (len(kept) + 1000),
        batch_size=len(kept) // batches,
        n_iter_no_change=10**6,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it stops by the number of epochs
        network.fit(x[kept], y[kept])
    return quality(y[out], network.predict_proba(x[out])[:, 1])


@contextlib.contextmanager
def server() -> Iterator[tuple[PredictionClient, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "MOODLE_MLBACKEND_PYTHON_USERS": "bench:bench",
            "MOODLE_MLBACKEND_PYTHON_DIR": folder,
        }
        command = [sys.executable, "-m", "trackline.predictions.serve"]
        running = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=ROOT,
            env={**os.environ, **settings, "NO_PROXY": "*"},
            stderr=subprocess.DEVNULL,
        )
        client = PredictionClient(f"http://127.0.0.1:{port}", "bench", "bench")
        try:
            while running.poll() is None:
                with contextlib.suppress(ServerError):
                    client.version()
                    break
                time.sleep(0.2)
            yield client, running.pid
        finally:
            running.terminate()
            running.wait()


def cpu(pid: int) -> float:
    parts = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, parts[11:13])) / os.sysconf("SC_CLK_TCK")


def peak_megabytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM")


def held_out(
    client: PredictionClient, dataset: Dataset, seed: int
) -> tuple[list[float], list[float]]:
    """Quality of the server and of the stand-in on rows that neither has seen."""
    kept, out = split(dataset, seed)
    model = f"bench{seed}"
    told = client.train(model, "execution", rows_of(dataset, kept, True))
    assert told["status"] == 0, told
    answers = client.predict(model, "execution", rows_of(dataset, out, False))
    ones = np.array([a.score if a.value == 1 else 1 - a.score for a in answers])
    return quality(dataset.labels[out], ones), stand_in(dataset, kept, out)


def measure(name: str, make: Callable[[int], Dataset]) -> tuple[list[str], list[str]]:
    dataset = make(SEEDS[0])
    everything = rows_of(dataset, np.arange(len(dataset.labels)), True)
    with server() as (client, pid):
        # a fresh worker: its first training loads what the work needs
        before = cpu(pid)
        assert client.train("bench", "execution", everything)["status"] == 0
        training, before = cpu(pid) - before, cpu(pid)
        told = client.evaluate("bench", "evaluation", everything)
        evaluating, memory = cpu(pid) - before, peak_megabytes(pid)
        pairs = np.array([held_out(client, make(seed), seed) for seed in SEEDS])
    ours, theirs = pairs.mean(axis=0)
    cells = [f"{a:.3f} / {b:.3f}" for a, b in zip(ours, theirs, strict=True)]
    means = [told[key] for key in ("accuracy", "score", "auc", "score_deviation")]
    shape = f"{len(dataset.labels):,} x {len(dataset.columns)}"
    cost_row = [name, f"{training:.1f}", f"{evaluating:.1f}", f"{memory:.0f}"]
    return [name, shape, *cells], [*cost_row, *(f"{value:.3f}" for value in means)]


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.server")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    datasets = {
        "nonlinear, 5 % label noise": partial(synthetic, "nonlinear"),
        "linear, 5 % label noise": partial(synthetic, "linear"),
    }
    if REAL.exists():
        datasets["recorded site (test-366)"] = real
    measured = [measure(name, make) for name, make in datasets.items()]
    text = (
        HEAD
        + "\nHeld-out quality, ours / MLP (Brier: less is better):\n\n"
        + table(
            ["data", "size", "accuracy", "weighted F1", "AUC", "Brier"],
            [quality_row for quality_row, _ in measured],
        )
        + "\nCost, and what the server's own ten-fold evaluation says:\n\n"
        + table(
            [
                "data",
                "training, CPU s",
                "evaluation, CPU s",
                "peak MB",
                "accuracy",
                "weighted F1",
                "AUC",
                "deviation of F1",
            ],
            [cost_row for _, cost_row in measured],
        )
    )
    print(text)
    if options.output:
        options.output.write_text(text)


if __name__ == "__main__":
    main()
