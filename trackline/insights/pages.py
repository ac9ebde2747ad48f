"""The page of an evaluation: what carries the model, beside its curves."""

from __future__ import annotations

import contextlib
import html
import io
from collections.abc import Callable

import fsspec
import numpy as np

from trackline.insights.datasets import Analysis
from trackline.predictions.dataset import Dataset
from trackline.predictions.evaluation import rate
from trackline.predictions.folds import stratified_folds
from trackline.predictions.learner import fit
from trackline.predictions.limits import LimitError

__all__ = ["carrying_features", "write_pages"]

HELD_OUT = 5
SHOWN = 20
PICTURES = ("roc-curve.png", "calibration.png", "learning-curve.png", "features.png")


def carrying_features(
    dataset: Dataset, check: Callable[[], None] = lambda: None
) -> list[tuple[str, float]]:
    """Return how much AUC is lost on held-out rows when a column is shuffled.

    Parameters
    ----------
    dataset : Dataset
        Labelled, with both classes at least twice.
    check : callable, optional
        Called between the steps; what it raises ends the work.

    Returns
    -------
    list of (str, float)
        Every column that varies, the one that carries most first.
    """
    features, labels = np.nan_to_num(dataset.features), dataset.labels
    out = stratified_folds(labels, HELD_OUT, seed=0) == 0
    if len(np.unique(labels[out])) < 2 or len(np.unique(labels[~out])) < 2:
        return []
    model = fit(features[~out], labels[~out], dataset.classes, dataset.columns, check)
    held, true = features[out], labels[out]
    whole = rate(dataset.classes, true, model.predict_proba(held))["auc"]
    order = np.random.default_rng(0).permutation(len(held))
    losses = []
    for place, name in enumerate(dataset.columns):
        check()
        if np.ptp(held[:, place]) == 0:
            continue
        shuffled = held.copy()
        shuffled[:, place] = held[order, place]
        lost = whole - rate(dataset.classes, true, model.predict_proba(shuffled))["auc"]
        losses.append((name, float(lost)))
    return sorted(losses, key=lambda item: (-item[1], item[0]))


def write_pages(
    fs: fsspec.AbstractFileSystem,
    folder: str,
    analysis: Analysis,
    dataset: Dataset,
    answer: dict[str, object],
    check: Callable[[], None],
) -> None:
    """Add features.png and index.html to the folder of an evaluation's run.

    Where `check` ends the work, the page does without what carries the model.
    """
    carrying: list[tuple[str, float]] = []
    with contextlib.suppress(LimitError):
        carrying = carrying_features(dataset, check)[:SHOWN]
    labels = {row.class_name: row.label for row in analysis.indicators.itertuples()}

    def words(column: str) -> str:
        name, _, what = column.partition("/")
        if name == "range":
            return f"Range {int(what) + 1}"
        return labels.get(name, name) + (", the course's mean" if what else "")

    told = [(words(name), lost) for name, lost in carrying]
    if told:
        fs.pipe_file(f"{folder}/features.png", _bars(told))
    there = {path.rsplit("/", 1)[-1] for path in fs.ls(folder, detail=False)}
    numbers = [
        (name, f"{value:.4f}") for name, value in answer.items() if type(value) is float
    ]
    body = [
        f"<h1>{html.escape(analysis.target.label)}</h1>",
        f"<p>Model {html.escape(analysis.about.model_id)}, interval"
        f" {html.escape(analysis.about.analysis_interval)},"
        f" {len(dataset.features)} samples, {int(dataset.labels.sum())} of them at"
        f" risk. Status {answer['status']}.</p>",
        *(f"<p>{html.escape(str(line))}</p>" for line in answer["info"]),
        _table(("measure", "mean of the splits"), numbers),
        *(f'<img src="{name}" alt="{name}">' for name in PICTURES if name in there),
        _table(
            ("what carries the model", "AUC lost without it"),
            [(name, f"{lost:.4f}") for name, lost in told],
        ),
    ]
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Evaluation</title>'
        "<style>body{font-family:sans-serif;max-width:60rem;margin:2rem auto}"
        "td,th{padding:.2rem 1rem;text-align:left}img{max-width:100%}</style>"
        + "\n".join(body)
        + "</html>\n"
    )
    fs.pipe_file(f"{folder}/index.html", page.encode())


def _table(head: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    lines = [f"<tr><th>{head[0]}</th><th>{head[1]}</th></tr>"]
    lines += [f"<tr><td>{html.escape(a)}</td><td>{b}</td></tr>" for a, b in rows]
    return "<table>" + "".join(lines) + "</table>"


def _bars(told: list[tuple[str, float]]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.3 * len(told) + 1), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    names = [name for name, _ in reversed(told)]
    axes.barh(range(len(told)), [lost for _, lost in reversed(told)])
    axes.set_yticks(range(len(told)), names, fontsize=8)
    axes.set(title="What carries the model", xlabel="AUC lost when shuffled")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=90, metadata={"Software": None})
    return file.getvalue()
