"""Why a sample was predicted as it was, in words, whatever processor predicted it.

What sets a sample apart are its indicators below those of its course: they are told
largest difference first, and where there is none, the lowest values.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from trackline.insights.datasets import Analysis

__all__ = ["calculations", "reasons"]

TOLD = 3


def calculations(analysis: Analysis, rows: pd.DataFrame) -> list[str]:
    """Return the indicators' values of every row as JSON, without the missing ones."""
    names = list(analysis.indicators.indicator)
    values = rows[names].to_numpy(np.float64).round(2)
    return [
        json.dumps({n: v for n, v in zip(names, row, strict=True) if v == v})
        for row in values.tolist()
    ]


def reasons(analysis: Analysis, rows: pd.DataFrame) -> list[str]:
    """Return one sentence per row.

    Parameters
    ----------
    analysis : Analysis
    rows : DataFrame
        Some of its rows.
    """
    subject = {"user": "The student", "course": "The course"}[
        "course" if analysis.target.analyser == "courses" else "user"
    ]
    opening = f"{subject} {analysis.target.sentence}"
    names = analysis.of_samples
    indicators = analysis.indicators.loc[names]
    labels = list(indicators.label)
    binary = (indicators["shape"] == "binary").to_numpy()
    values = rows[names].to_numpy(np.float64)
    means = analysis.means().loc[rows.index, names].to_numpy(np.float64)
    told = []
    for value, mean in zip(values, means, strict=True):
        difference = np.where(np.isnan(value), np.inf, value - mean)
        order = np.lexsort((np.arange(len(names)), value, difference.round(6)))
        below = [i for i in order if difference[i] < 0][:TOLD]
        parts = [_part(labels[i], value[i], mean[i], binary[i]) for i in below]
        if not parts:
            low = [i for i in order if value[i] < 0][:TOLD]
            parts = [_part(labels[i], value[i], None, binary[i]) for i in low]
        told.append(opening + (": " + "; ".join(parts) if parts else ""))
    return told


def _part(label: str, value: float, mean: float | None, is_binary: bool) -> str:
    if is_binary:
        word = "yes" if value > 0 else "no"
        share = "" if mean is None else f", {(mean + 1) / 2:.0%} of the others do"
        return f"{label}: {word}{share if word == 'no' else ''}"
    others = "" if mean is None else f", {mean:+.2f} on average"
    return f"{label}: {value:+.2f} of -1 to 1{others}"
