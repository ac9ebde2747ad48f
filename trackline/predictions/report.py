"""What an evaluation leaves behind: a report to read, pictures, the metrics as JSON."""

from __future__ import annotations

import io
import json
import threading

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from .evaluation import Evaluation

__all__ = ["evaluation_files", "refusal_files"]

BINS = 10
# one font cache and one glyph cache per process: matplotlib is not thread-safe
_DRAWING = threading.Lock()


def evaluation_files(
    evaluation: Evaluation, answer: dict[str, object]
) -> dict[str, bytes]:
    """Make the files of one evaluation's log, by name.

    Parameters
    ----------
    evaluation : Evaluation
    answer : dict
        What the caller is told.
    """
    runs = [run.metrics for run in evaluation.runs]
    details = {"answer": answer, "runs": runs, "learning": evaluation.learning}
    files = {
        "report.md": _report(evaluation, answer).encode(),
        "metrics.json": (json.dumps(details, indent=1) + "\n").encode(),
    }
    if evaluation.runs:
        with _DRAWING:
            files["roc-curve.png"] = _roc(evaluation)
            files["calibration.png"] = _calibration(evaluation)
            if evaluation.learning:
                files["learning-curve.png"] = _learning(evaluation)
    return files


def refusal_files(answer: dict[str, object]) -> dict[str, bytes]:
    """Make the log of an evaluation that was refused: why."""
    lines = ["# The evaluation was refused", "", *map(str, answer["info"]), ""]
    return {"report.md": "\n".join(lines).encode()}


def _report(evaluation: Evaluation, answer: dict[str, object]) -> str:
    lines = ["# Evaluation", "", f"Status {answer['status']}", ""]
    lines += [f"- {sentence}" for sentence in answer["info"]]
    lines += ["", "| measure | mean |", "|---|---|"]
    lines += [
        f"| {name} | {value:.4f} |"
        for name, value in answer.items()
        if isinstance(value, float)
    ]
    if evaluation.runs:
        names = list(evaluation.runs[0].metrics)
        lines += ["", "| run | rows | " + " | ".join(names) + " |"]
        lines += ["|---" * (len(names) + 2) + "|"]
        for number, run in enumerate(evaluation.runs, start=1):
            cells = " | ".join(f"{run.metrics.get(name, np.nan):.4f}" for name in names)
            lines.append(f"| {number} | {len(run.labels)} | {cells} |")
    if evaluation.learning:
        lines += ["", "| rows learned from | weighted F1 |", "|---|---|"]
        lines += [f"| {rows} | {f1:.4f} |" for rows, f1 in evaluation.learning]
    return "\n".join(lines) + "\n"


def _axes(title: str, x: str, y: str) -> tuple[Figure, object]:
    figure = Figure(figsize=(6, 5))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=90, metadata={"Software": None})
    return file.getvalue()


def _roc(evaluation: Evaluation) -> bytes:
    """Every run, and of more than two classes every class against the others."""
    figure, axes = _axes("ROC of each run", "false positive rate", "true positive rate")
    binary = len(evaluation.classes) == 2
    for place, value in enumerate(evaluation.classes):
        if binary and value != max(evaluation.classes):
            continue
        label = None if binary else f"class {value}"
        for run in evaluation.runs:
            true = run.labels == value
            if true.all() or not true.any():
                continue
            false_rate, true_rate, _ = roc_curve(true, run.probabilities[:, place])
            axes.plot(
                false_rate, true_rate, color=f"C{place}", alpha=0.5, lw=1, label=label
            )
            label = None
    axes.plot([0, 1], [0, 1], color="grey", ls=":", lw=1)
    if not binary:
        axes.legend()
    return _png(figure)


def _calibration(evaluation: Evaluation) -> bytes:
    """Told probability against the share that was so, over all runs and classes."""
    told = np.concatenate([run.probabilities.ravel() for run in evaluation.runs])
    classes = np.asarray(evaluation.classes)
    true = np.concatenate(
        [(run.labels[:, None] == classes).ravel() for run in evaluation.runs]
    )
    bins = np.minimum((told * BINS).astype(int), BINS - 1)
    count = np.bincount(bins, minlength=BINS)
    used = count > 0
    mean = np.bincount(bins, told, BINS)[used] / count[used]
    share = np.bincount(bins, true, BINS)[used] / count[used]
    figure, axes = _axes("Calibration", "predicted probability", "observed share")
    axes.plot([0, 1], [0, 1], color="grey", ls=":", lw=1)
    axes.plot(mean, share, marker="o")
    return _png(figure)


def _learning(evaluation: Evaluation) -> bytes:
    figure, axes = _axes("Learning curve", "rows learned from", "weighted F1")
    rows, f1 = zip(*evaluation.learning, strict=True)
    axes.plot(rows, f1, marker="o")
    axes.set_ylim(0, 1.02)
    return _png(figure)
