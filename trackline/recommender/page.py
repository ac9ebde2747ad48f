"""The evaluation as one HTML page: tables and plots, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import io
from html import escape

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

__all__ = ["page_html"]

_COLOURS = {"recommender": "#1b6ca8", "item-kNN": "#8a8f98", "popularity": "#c9ccd1"}
_TASKS = {
    "complete": "Which apps belong with a history (whole students held out)",
    "next": "Which app comes next (the last fifth of every student held out)",
}
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#1c2430}table{border-collapse:collapse;margin:1rem 0}caption{text-align:left;
font-weight:600}
td,th{padding:.3rem .8rem;border-bottom:1px solid #d8dbe0;text-align:right}
td:first-child,th:first-child{text-align:left}
img{max-width:100%}
"""


def _image(figure: Figure, told: str) -> str:
    buffer = io.BytesIO()
    # no software version in the file: the same results give the same bytes
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{escape(told)}" src="data:image/png;base64,{data}">'


def _measures(table: pd.DataFrame) -> str:
    names = {"ndcg_5": "NDCG@5", "ndcg_10": "NDCG@10", "recall_10": "recall@10"}
    figure = Figure(figsize=(7.5, 3), layout="constrained")
    axes = figure.subplots()
    for number, (_, row) in enumerate(table.iterrows()):
        heights = [row[n] for n in names]
        at = np.arange(len(names)) + 0.27 * number
        bars = axes.bar(at, heights, 0.25, label=row.model, color=_COLOURS[row.model])
        axes.bar_label(bars, fmt="%.3f", fontsize=8)
    axes.set_xticks(np.arange(len(names)) + 0.27, list(names.values()))
    axes.set_ylabel("higher is better")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return _image(figure, "NDCG and recall of the three models")


def _gaps(differences: pd.DataFrame) -> str:
    figure = Figure(figsize=(7.5, 1.6), layout="constrained")
    axes = figure.subplots()
    at = np.arange(len(differences))
    axes.axvline(0, color="#8a8f98", linewidth=1)
    middle = differences["difference"].to_numpy(float)
    reach = [middle - differences["low"], differences["high"] - middle]
    axes.errorbar(middle, at, xerr=reach, fmt="o", color="#1b6ca8", capsize=4)
    axes.set_yticks(at, [f"against {a}" for a in differences["against"]])
    axes.set_ylim(-0.6, len(differences) - 0.4)
    axes.set_xlabel("difference in NDCG@10, 95 % interval over students")
    axes.spines[["top", "right"]].set_visible(False)
    return _image(figure, "Difference in NDCG@10 with its interval")


def _band_plot(bands: pd.DataFrame) -> str:
    known = bands.dropna(subset=["ndcg_10"])
    if not len(known):
        return "<p>No band has 10 students or more: bands are not compared.</p>"
    figure = Figure(figsize=(7.5, 2.6), layout="constrained")
    axes = figure.subplots()
    names = sorted(known["band"].unique())
    for number, (model, one) in enumerate(known.groupby("model", sort=False)):
        values = one.set_index("band")["ndcg_10"].reindex(names)
        at = np.arange(len(names)) + 0.27 * number
        axes.bar(at, values, 0.25, label=model, color=_COLOURS[model])
    axes.set_xticks(np.arange(len(names)) + 0.27, names)
    axes.set_ylabel("NDCG@10")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return _image(figure, "NDCG@10 by performance band")


def _table(frame: pd.DataFrame, caption: str) -> str:
    shown = frame.drop(columns=["district_id", "task"])
    body = shown.to_html(
        index=False, border=0, float_format="%.4f", na_rep="&lt;10", justify="unset"
    )
    return body.replace("<thead>", f"<caption>{escape(caption)}</caption><thead>", 1)


def page_html(
    table: pd.DataFrame, differences: pd.DataFrame, bands: pd.DataFrame
) -> str:
    """Return the page; the frames are those of `Evaluation`."""
    parts = []
    with mpl.rc_context({"font.family": "DejaVu Sans", "font.size": 9}):
        for (district, task), one in table.groupby(["district_id", "task"], sort=False):
            key = (differences["district_id"] == district) & (
                differences["task"] == task
            )
            band = bands[(bands["district_id"] == district) & (bands["task"] == task)]
            own = differences[key]
            said = "; ".join(f"{r.against}: {r.verdict}" for r in own.itertuples())
            parts += [
                f"<h2>{escape(str(district))}</h2><h3>{escape(_TASKS[task])}</h3>",
                f"<p>The recommender against {escape(said)} "
                f"({int(one['students'].iloc[0]):,} students).</p>",
                _measures(one),
                _table(one, "All measures"),
                _gaps(own),
                _table(own, "Differences in NDCG@10"),
            ]
            if len(band):
                parts += [_band_plot(band), _table(band, "By performance band")]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Recommender evaluation</title><style>{_STYLE}</style></head><body>"
        "<h1>Recommender evaluation</h1>"
        "<p>Part of every tested student's apps was hidden; each model was asked for "
        "ten apps. NDCG counts the hidden apps found, earlier ranks for more; coverage "
        "is the share of apps recommended to anyone; Gini is 0 when all apps are "
        "recommended equally often. It measures how well use is foreseen, not whether "
        "use helps.</p>" + "".join(parts) + "</body></html>\n"
    )
