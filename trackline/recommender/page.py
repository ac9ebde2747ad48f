"""The evaluation as one HTML page: tables and plots, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["page_html"]

_COLOURS = {"recommender": "#1b6ca8", "item-kNN": "#8a8f98", "popularity": "#c9ccd1"}
_OURS = "recommender"
_TASKS = {
    "complete": "Which apps belong with a history",
    "next": "Which app comes next",
}
_HELD_OUT = {
    "complete": "whole students held out, a third of each one's apps hidden",
    "next": "the last fifth of every student's apps hidden",
}
_MEASURES = {"ndcg_5": "NDCG@5", "ndcg_10": "NDCG@10", "recall_10": "recall@10"}
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;
color:#1c2430}h2{margin-top:3rem;border-bottom:2px solid #1b6ca8}
h3{margin-top:2rem}h3 small{font-weight:400;color:#596273}
table{border-collapse:collapse;margin:1rem 0;font-size:14px}
td,th{padding:.3rem .6rem;border-bottom:1px solid #d8dbe0;text-align:right;
white-space:nowrap;font-variant-numeric:tabular-nums}
td:first-child,th:first-child{text-align:left}img{max-width:100%}
"""


def _image(figure: Figure, told: str) -> str:
    buffer = io.BytesIO()
    # no software version in the file: the same results give the same bytes
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<p><img alt="{escape(told)}" src="data:image/png;base64,{data}"></p>'


def _table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    head = "".join(f"<th>{escape(str(h))}</th>" for h in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _bars(axes: Axes, groups: list[str], heights: dict[str, list[float]]) -> None:
    """Draw one group of bars a name, one bar a model, the legend above them."""
    at = np.arange(len(groups))
    for number, (model, values) in enumerate(heights.items()):
        bars = axes.bar(
            at + 0.27 * number, values, 0.25, label=model, color=_COLOURS[model]
        )
        axes.bar_label(bars, fmt="%.2f", fontsize=8)
    axes.set_xticks(at + 0.27, groups)
    axes.set_ylim(0, 1.08 * np.nanmax(list(heights.values()), initial=1e-9))
    axes.legend(
        frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1), fontsize=8
    )
    axes.spines[["top", "right"]].set_visible(False)


def _measures(table: pd.DataFrame) -> str:
    figure = Figure(figsize=(7.5, 2.8), layout="constrained")
    heights = {row.model: [getattr(row, m) for m in _MEASURES] for row in _each(table)}
    axes = figure.subplots()
    _bars(axes, list(_MEASURES.values()), heights)
    axes.set_ylabel("higher is better")
    return _image(figure, "NDCG and recall of the three models")


def _differences(differences: pd.DataFrame) -> str:
    figure = Figure(figsize=(7.5, 1.5), layout="constrained")
    axes = figure.subplots()
    at = np.arange(len(differences))[::-1]
    axes.axvline(0, color="#8a8f98", linewidth=1)
    middle = differences["difference"].to_numpy(float)
    reach = [middle - differences["low"], differences["high"] - middle]
    axes.errorbar(middle, at, xerr=reach, fmt="o", color="#1b6ca8", capsize=4)
    axes.set_yticks(at, [f"over {a}" for a in differences["against"]])
    axes.set_ylim(-0.6, len(differences) - 0.4)
    axes.set_xlabel("recommender ahead by, NDCG@10 with its 95 % interval")
    axes.spines[["top", "right"]].set_visible(False)
    return _image(figure, "Difference in NDCG@10 with its interval")


def _bands(bands: pd.DataFrame) -> str:
    known = bands.dropna(subset=["ndcg_10"])
    if not len(known):
        return "<p>No band has 10 students or more: bands are not compared.</p>"
    wide = known.pivot(index="band", columns="model", values="ndcg_10")
    wide = wide.sort_values(_OURS, ascending=False)
    models = [m for m in _COLOURS if m in wide]
    figure = Figure(figsize=(7.5, 2.6), layout="constrained")
    axes = figure.subplots()
    _bars(axes, list(wide.index), {m: wide[m].tolist() for m in models})
    axes.set_ylabel("NDCG@10")
    ours = bands[bands["model"] == _OURS].set_index("band")
    rows = [
        (
            band,
            ours.at[band, "students"],
            *(f"{wide.at[band, m]:.4f}" for m in models),
            f"{ours.at[band, 'gap']:.4f}",
        )
        for band in wide.index
    ]
    few = sorted(set(bands["band"]) - set(wide.index))
    rows += [(band, "<10", *["-"] * (len(models) + 1)) for band in few]
    header = ["band", "students", *models, "gap of the recommender"]
    said = ""
    if len(wide) > 1:
        said = (
            f"<p>The recommender serves students of band “{escape(wide.index[-1])}” "
            f"worst: {ours['gap'].max():.4f} below its best band.</p>"
        )
    return (
        "<h4>By performance band</h4>"
        + said
        + _image(figure, "NDCG@10 by performance band")
        + _table(header, rows)
    )


def _each(table: pd.DataFrame) -> list:
    """Rows in the order of the colours."""
    order = {model: number for number, model in enumerate(_COLOURS)}
    return sorted(table.itertuples(), key=lambda row: order[row.model])


def _ahead(row: Any | None) -> str:
    if row is None:
        return ""
    return f"{row.difference:+.4f} ({row.low:+.4f} to {row.high:+.4f})"


def _task(table: pd.DataFrame, differences: pd.DataFrame, bands: pd.DataFrame) -> str:
    against = {row.against: row for row in differences.itertuples()}
    rows = [
        (
            row.model,
            *(f"{getattr(row, m):.4f}" for m in _MEASURES),
            f"{row.coverage:.0%}",
            f"{row.gini:.2f}",
            _ahead(against.get(row.model)),
        )
        for row in _each(table)
    ]
    header = ["model", *_MEASURES.values(), "coverage", "Gini", "recommender ahead by"]
    parts = [_measures(table), _table(header, rows), _differences(differences)]
    return "".join([*parts, _bands(bands) if len(bands) else ""])


def page_html(
    table: pd.DataFrame, differences: pd.DataFrame, bands: pd.DataFrame
) -> str:
    """Return the page; the frames are those of `Evaluation`."""
    summary, parts = [], []
    with mpl.rc_context({"font.family": "DejaVu Sans", "font.size": 9}):
        for district, of_district in table.groupby("district_id", sort=False):
            parts.append(f"<h2>{escape(str(district))}</h2>")
            for task, one in of_district.groupby("task", sort=False):
                own, band = (
                    t[(t["district_id"] == district) & (t["task"] == task)]
                    for t in (differences, bands)
                )
                students = f"{int(one['students'].iloc[0]):,}"
                verdicts = {row.against: row.verdict for row in own.itertuples()}
                ours = one.loc[one["model"] == _OURS, "ndcg_10"].iloc[0]
                cells = [verdicts.get(m, "") for m in ("popularity", "item-kNN")]
                summary.append(
                    (district, _TASKS[task], students, f"{ours:.4f}", *cells)
                )
                parts.append(
                    f"<h3>{_TASKS[task]} <small>{_HELD_OUT[task]}; "
                    f"{students} students</small></h3>" + _task(one, own, band)
                )
    header = ["district", "asked", "students", "NDCG@10"]
    header += ["against popularity", "against item-kNN"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Recommender evaluation</title><style>{_STYLE}</style></head><body>"
        "<h1>Recommender evaluation</h1>"
        "<p>Part of every tested student's apps was hidden; each model was asked for "
        "ten apps. NDCG counts the hidden apps found, earlier ranks for more (1 is "
        "perfect); coverage is the share of apps recommended to anyone; Gini is 0 when "
        "all apps are recommended equally often. It measures how well use is foreseen, "
        "not whether use helps.</p>"
        + _table(header, summary)
        + "".join(parts)
        + "</body></html>\n"
    )
