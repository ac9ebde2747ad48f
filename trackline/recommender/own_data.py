"""The recommender's evaluation on the districts of this warehouse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from trackline.recommender.evaluation import evaluate
from trackline.settings import ROOT, RefusedError, Settings

__all__ = ["evaluate_districts"]


def evaluate_districts(
    settings: Settings,
    districts: Sequence[str] | None = None,
    output: Path | None = None,
) -> list[Path]:
    """Evaluate on what students of these districts used, and write the page.

    Parameters
    ----------
    settings : Settings
    districts : sequence of str, optional
        All enabled ones when missing.
    output : Path, optional
        Folder; by default ``evaluations`` in a local models directory, else in data.

    Returns
    -------
    list of Path
        The page, then its tables.

    Raises
    ------
    RefusedError
        If there is no warehouse to read, one of the districts is not in it, or there
        is nothing to evaluate on.
    """
    try:
        with duckdb.connect(str(settings.warehouse), read_only=True) as con:
            rows = con.execute(
                "select district_id, student_id, app_id, band,"
                " first_used_on::timestamp as used_at from int_recommender_histories"
                " where $all or list_contains($districts, district_id) order by all",
                {"all": districts is None, "districts": list(districts or [])},
            ).df()
    except duckdb.Error as error:
        raise RefusedError(
            f"the warehouse {settings.warehouse} cannot be read:"
            f" {str(error).splitlines()[0]}"
        ) from None
    unknown = sorted(set(districts or []) - set(rows["district_id"]))
    if unknown:
        raise RefusedError(
            f"no student of {', '.join(unknown)} has used a recommendable app"
        )
    try:
        evaluation = evaluate(rows)
    except ValueError as error:
        raise RefusedError(str(error)) from None
    if output is None:
        local = ROOT / "data" if "://" in settings.models else Path(settings.models)
        output = local / "evaluations"
    return evaluation.write(output)
