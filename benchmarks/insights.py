"""What learning analytics costs and how good it is: `python -m benchmarks.insights`.

`cost`: the whole indicator pass over made-up sites of 2.5, 5 and 10 million log rows,
with 30,000 enrolments in 300 finished courses over four quarters. `oulad`:
course_dropout on the Open University's data, learned from 2013J and 2014B and predicted
for 2014J, against a plain logistic regression on the same features. `courses`: the same
on the training presentations alone, each course predicted from the others: by it the
learner's settings were chosen. The figures stand in docs/benchmarks-insights.md.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from benchmarks.moodle_sites import Build, make_oulad_site, make_site

MEMORY = "1400MB"
PASS = (
    "int_activities int_log_activity int_activities_in_range int_module_values"
    " int_base_values int_indicator_values"
)


def cost() -> None:
    """Measure the indicator pass."""
    print("| log rows | wall s | CPU s | peak GB | values |\n|---|---|---|---|---|")
    for millions in map(float, sys.argv[2:] or (2.5, 5, 10)):
        with tempfile.TemporaryDirectory() as place:
            build = Build(Path(place))
            make_site(build.landing, int(millions * 1e6))
            build.dbt("seed")
            build.dbt("run", "--select", "+int_samples", TRACKLINE_MEMORY="8GB")
            build.dbt("parse")
            parse = build.dbt("run", "--select", "int_activities")
            figures = build.dbt("run", "--select", PASS, TRACKLINE_MEMORY=MEMORY)
            with duckdb.connect(str(build.warehouse), read_only=True) as con:
                count = con.execute(
                    "select count(*) from int_indicator_values"
                ).fetchone()
        print(
            f"| {millions:g} M | {figures[0]:.1f} | {figures[1]:.1f} | {figures[2]:.2f}"
            f" | {count[0]:,} | (of it dbt's start: {parse[1]:.1f} CPU s)",
            flush=True,
        )


LEARNED = "2014-10-05"  # 2013J and 2014B are over, 2014J has just begun
TABLES = (
    "int_analyses", "int_samples", "int_indicator_values", "int_target_values",
    "analytics_indicators", "analytics_targets",
)  # fmt: skip
BUILT = ("--select", "+int_prediction_runs", "--exclude-resource-type", "test",
         "--exclude-resource-type", "unit_test")  # fmt: skip
# both courses of 2014J run for so many days from 1 October 2014
BEGAN, DAYS = "2014-10-01", 269


def read(build: Build, purpose: str) -> dict[str, Any]:
    """Return the analyses of the newest build that have rows, by interval."""
    from trackline.insights import Tables
    from trackline.insights.datasets import analyses

    with duckdb.connect(str(build.warehouse), read_only=True) as con:
        found = analyses(con, Tables(*map(con.table, TABLES)), purpose)
        return {a.about.analysis_interval: a for a in found if len(a.rows)}


def truth(build: Build, analysis: Any) -> np.ndarray:
    """Return what became of the samples: 1 without a row in the last quarter."""
    with duckdb.connect(str(build.warehouse), read_only=True) as con:
        last = con.execute(
            "select courses.course_id::varchar, log.user_id,"
            " max(happened_at) <= any_value(ends_at - (ends_at - starts_at) / 4)"
            " from int_moodle_courses as courses join int_moodle_log as log"
            " using (course_id) group by all"
        ).fetchall()
    left = {key[:2]: key[2] for key in last}
    keys = zip(analysis.rows.analysable_id, analysis.rows.user_id, strict=True)
    return np.array([left.get(key, True) for key in keys], dtype=int)


def oulad() -> None:
    """Learn from 2013J and 2014B; predict 2014J after each but its last range.

    A model per interval, in one series of nightly builds: as of each day on which a
    range of any of them ends.
    """
    from sklearn.linear_model import LogisticRegression

    from trackline.insights.store import Store
    from trackline.settings import Settings

    intervals = sys.argv[2:] or ("quarters", "quarters_accum", "deciles_accum")
    with tempfile.TemporaryDirectory() as place:
        build = Build(Path(place))
        build.models(intervals)
        make_oulad_site(build.landing)
        os.environ.update(build.environment())
        build.dbt("build", *BUILT, TRACKLINE_AS_OF=LEARNED)
        learned = {i: a.dataset(labelled=True) for i, a in read(build, "train").items()}
        plain = {
            interval: LogisticRegression(max_iter=2000).fit(
                np.nan_to_num(data.features), data.labels
            )
            for interval, data in learned.items()
        }
        parts = {10 if "deciles" in interval else 4 for interval in intervals}
        days = {math.ceil(DAYS * k / n) for n in parts for k in range(1, n)}
        told: dict[str, list[tuple[np.ndarray, ...]]] = {i: [] for i in intervals}
        for day in sorted(days):
            at = np.datetime64(BEGAN) + day
            build.dbt("build", *BUILT, TRACKLINE_AS_OF=str(at))
            for interval, analysis in read(build, "predict").items():
                model = Store(Settings.from_environment()).model("north", interval)
                classifier = model.files(model.version).classifier()
                x = np.nan_to_num(analysis.dataset(labelled=False).features)
                told[interval].append(
                    (
                        analysis.rows.user_id.to_numpy(str),
                        truth(build, analysis),
                        classifier.predict_proba(x)[:, 1],
                        plain[interval].predict_proba(x)[:, 1],
                    )
                )
    print(
        "| interval | model | rows | AUC | F1 (weighted) | Brier | ECE |\n"
        "|---|---|---|---|---|---|---|"
    )
    for interval, found in told.items():
        who, y, ours, theirs = (
            np.concatenate(column) for column in zip(*found, strict=True)
        )
        rows = f"{len(learned[interval].labels)} -> {len(y)}"
        for name, p in (("Trackline", ours), ("plain logistic regression", theirs)):
            values = " | ".join(f"{value:.4f}" for value in rated(y, p))
            print(f"| {interval} | {name} | {rows} | {values} |")
        print(f"| {interval} | difference | | {differences(who, y, ours, theirs)} |")


def differences(
    who: np.ndarray, y: np.ndarray, ours: np.ndarray, theirs: np.ndarray
) -> str:
    """Return the 95 % intervals of the differences: 1,000 draws of whole students."""
    students, at = np.unique(who, return_inverse=True)
    rows = np.split(np.argsort(at, kind="stable"), np.cumsum(np.bincount(at))[:-1])
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(1000):
        some = np.concatenate(
            [rows[i] for i in random.integers(len(students), size=len(students))]
        )
        drawn.append(
            np.subtract(rated(y[some], ours[some]), rated(y[some], theirs[some]))
        )
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    return " | ".join(f"{a:+.4f} to {b:+.4f}" for a, b in zip(low, high, strict=True))


def courses() -> None:
    """Predict each course of 2013J and 2014B by what the others teach."""
    from sklearn.linear_model import LogisticRegression

    from trackline.predictions.folds import courses_of
    from trackline.predictions.learner import fit

    intervals = sys.argv[2:] or ("quarters", "quarters_accum", "deciles_accum")
    with tempfile.TemporaryDirectory() as place:
        build = Build(Path(place))
        build.models(intervals)
        make_oulad_site(build.landing)
        os.environ.update(build.environment())
        build.dbt("build", *BUILT, TRACKLINE_AS_OF=LEARNED)
        learned = {i: a.dataset(labelled=True) for i, a in read(build, "train").items()}
    print(
        "| interval | model | AUC | F1 (weighted) | Brier | ECE |\n"
        "|---|---|---|---|---|---|"
    )
    for interval, data in learned.items():
        x, y = np.nan_to_num(data.features), data.labels
        nameless = tuple(f"column{i}" for i in range(len(data.columns)))
        told = {
            "Trackline": lambda x, y, data=data: fit(x, y, (0, 1), data.columns),
            "Trackline, single rows held out": lambda x, y, names=nameless: fit(
                x, y, (0, 1), names
            ),
            "plain logistic regression": LogisticRegression(max_iter=2000).fit,
        }
        where = courses_of(x, data.columns)
        for name, learn in told.items():
            p = np.zeros(len(y))
            for course in np.unique(where):
                out = where == course
                p[out] = learn(x[~out], y[~out]).predict_proba(x[out])[:, 1]
            values = " | ".join(f"{value:.4f}" for value in rated(y, p))
            print(f"| {interval} | {name} | {values} |", flush=True)


def rated(y: np.ndarray, p: np.ndarray) -> tuple[float, ...]:
    """Return AUC, weighted F1, Brier score and calibration error over tenths."""
    from sklearn.metrics import brier_score_loss, f1_score, roc_auc_score

    tenth = np.minimum((p * 10).astype(int), 9)
    error = sum(
        abs(p[tenth == k].mean() - y[tenth == k].mean()) * (tenth == k).mean()
        for k in np.unique(tenth)
    )
    return (
        roc_auc_score(y, p),
        f1_score(y, p >= 0.5, average="weighted"),
        brier_score_loss(y, p),
        error,
    )


def main() -> None:
    """Run what the command line names, or everything."""
    for name in sys.argv[1:2] or ("cost", "oulad", "courses"):
        {"cost": cost, "oulad": oulad, "courses": courses}[name]()


if __name__ == "__main__":
    main()
