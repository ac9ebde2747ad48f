"""`trackline evaluate`: rates models over analysis intervals, in a build of its own.

The build analyses finished courses beside the warehouse, in memory, and changes none of
its tables but rpt_model_evaluations.
"""

from __future__ import annotations

import csv
import io
import itertools
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trackline.config import load as load_configuration
from trackline.insights.store import Store
from trackline.settings import ROOT, RefusedError, Settings

__all__ = ["Evaluated", "apply", "evaluate"]

SELECTED = ("insights.analysis", "int_model_evaluations", "rpt_model_evaluations")
STATIC = (
    "no_teaching",
    "no_recent_accesses",
    "no_access_since_course_start",
    "upcoming_activities_due",
)
ENOUGH = 0


@dataclass(frozen=True)
class Evaluated:
    """One evaluation; the fields are the columns of rpt_model_evaluations."""

    district_id: str
    model_id: str
    analysis_interval: str
    score: float | None
    score_deviation: float | None
    auc: float | None
    status: int
    info: str
    dir: str | None

    def __str__(self) -> str:
        score = "no score" if self.score is None else f"score {self.score:.3f}"
        auc = "" if self.auc is None else f", AUC {self.auc:.3f}"
        page = f"\n  {self.dir}/index.html" if self.dir else ""
        return (
            f"{self.district_id} {self.model_id} {self.analysis_interval}:"
            f" {score}{auc},"
            f" status {self.status} {self.info}".rstrip()
            + page
        )


def evaluate(
    settings: Settings,
    models: Sequence[str] = (),
    districts: Sequence[str] = (),
    interval: str = "",
) -> list[Evaluated]:
    """Evaluate models.

    Parameters
    ----------
    settings : Settings
    models : sequence of str
        Ids of prediction_models.csv; all that learn, if empty.
    districts : sequence of str
        All districts, if empty.
    interval : str
        One analysis interval; those of the settings, if empty.

    Returns
    -------
    list of Evaluated
        Of this run.

    Raises
    ------
    RefusedError
        If a name is unknown, a model does not learn, or there is no warehouse.
    """
    configuration = load_configuration(settings.seeds)
    targets = {row.model_id: row.target for row in configuration.models}
    for name in models:
        if name not in targets:
            raise RefusedError(f"no row of prediction_models.csv has model_id {name!r}")
        if targets[name] in STATIC:
            raise RefusedError(
                f"{name} rests on assumptions and learns nothing: there is nothing to"
                " evaluate"
            )
    for name in districts:
        if configuration.district(name) is None:
            raise RefusedError(f"no row of districts.csv has district_id {name!r}")
    if interval and interval not in {
        row.analysis_interval for row in configuration.intervals
    }:
        raise RefusedError(
            f"no row of analysis_intervals.csv has analysis_interval {interval!r}"
        )
    if not settings.warehouse.exists():
        raise RefusedError(
            f"there is no warehouse at {settings.warehouse}: build first"
        )
    store = Store(settings)
    before = {(m.district_id, m.model_id): len(m.evaluations()) for m in store.models()}
    wanted = itertools.product(districts or ("*",), models or ("*",))
    _build(" ".join(f"{district}/{model}/{interval}" for district, model in wanted))
    return [
        Evaluated(
            model.district_id,
            model.model_id,
            **{
                name: row[name]
                for name in Evaluated.__dataclass_fields__
                if name in row
            },
        )
        for model in store.models()
        for row in model.evaluations()[before[model.district_id, model.model_id] :]
    ]


def _build(evaluated: str) -> None:
    command = [
        str(Path(sys.executable).with_name("dbt")),
        "--quiet",
        "--no-write-json",
        "build",
        "--select",
        *SELECTED,
    ]
    done = subprocess.run(
        command,
        cwd=ROOT / "dbt_project",
        env={**os.environ, "TRACKLINE_EVALUATE": evaluated},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        told = [line for line in done.stdout.splitlines() if line.strip()]
        raise RefusedError("the evaluation's build failed: " + " ".join(told[-6:]))


def best(evaluated: Sequence[Evaluated]) -> dict[tuple[str, str], Evaluated]:
    """Return the best interval of each site's model, of those with status 0."""
    found: dict[tuple[str, str], Evaluated] = {}
    for row in evaluated:
        key = (row.district_id, row.model_id)
        if row.status == ENOUGH and (
            key not in found or (row.score or 0) > (found[key].score or 0)
        ):
            found[key] = row
    return found


def apply(settings: Settings, evaluated: Sequence[Evaluated]) -> list[Evaluated]:
    """Write the best interval of each site's model into prediction_models.csv.

    The site's own row is changed; a site that follows the row of every site (`*`) gets
    one of its own.

    Returns
    -------
    list of Evaluated
        What was written.
    """
    path = settings.seeds / "prediction_models.csv"
    content = path.read_bytes().decode("utf-8-sig")
    ending = "\r\n" if "\r\n" in content else "\n"
    reader = csv.DictReader(io.StringIO(content, newline=""))
    rows = {(row["district_id"], row["model_id"]): row for row in reader}
    chosen = best(evaluated)
    for key, row in chosen.items():
        if key not in rows:
            common = rows["*", row.model_id]
            rows[key] = {**common, "district_id": row.district_id}
        rows[key]["analysis_interval"] = row.analysis_interval
    if chosen:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, reader.fieldnames, lineterminator=ending)
        writer.writeheader()
        writer.writerows(rows.values())
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_bytes(text.getvalue().encode())
        os.replace(temporary, path)
    return list(chosen.values())
