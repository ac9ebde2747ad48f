"""Two modules of the Open University as the landing files of two districts."""

from __future__ import annotations

from pathlib import Path

import duckdb

OULAD = {
    "time_zone": "Europe/London",
    "school_year_start": "08-01",
    "score_basis": "mean",
}
MODULES = ("AAA", "GGG")
APPS = ("oucontent", "forumng", "homepage", "quiz", "subpage", "resource", "url")
START = """make_date(left(code_presentation, 4)::int,
    case right(code_presentation, 1) when 'J' then 10 else 2 end, 1)"""


def configure(project, **settings: str) -> None:
    """Make the modules districts."""
    districts = [m.lower() for m in MODULES]
    project.configure(
        [{**OULAD, **settings, "district_id": district} for district in districts],
        apps=dict.fromkeys(districts, APPS),
    )


def deliver(
    project,
    fixtures: Path,
    delivered: str,
    days: str = "true",
    minutes: str = "clicks / 8",
) -> None:
    """Deliver the use and the scores of some days.

    Parameters
    ----------
    delivered : str
        When, an ISO time.
    days : str
        Which: SQL on student_id and day.
    minutes : str
        SQL on clicks.
    """
    name = delivered[:10]
    folder = project.root / f"oulad-{name}"
    folder.mkdir()
    with duckdb.connect() as con:
        for table in ("studentVle", "vle", "studentAssessment", "assessments"):
            con.execute(
                f"create view {table} as from '{fixtures}/oulad/{table}.parquet'"
            )
        for module in MODULES:
            con.execute(f"""copy (
                with uses as (
                    select id_student as student_id, activity_type as app_id,
                        {START} + date as day, sum(sum_click) as clicks
                    from studentVle
                    join vle using (id_site, code_module, code_presentation)
                    where code_module = '{module}' group by all
                )
                select student_id, app_id, day as usage_date, {minutes} as usage_minutes
                from uses where {days} order by all
            ) to '{folder}/{module}.parquet'""")
            con.execute(f"""copy (
                with tests as (
                    select id_student as student_id, id_assessment as assessment_id,
                        {START} + date_submitted as day, score
                    from studentAssessment join assessments using (id_assessment)
                    where code_module = '{module}' and score is not null
                )
                select student_id, 'assessment' as measure, score, day as measured_on,
                    assessment_id
                from tests where {days} order by all
            ) to '{folder}/{module}.csv'""")
            for kind, table in (("parquet", "app_usage"), ("csv", "scores")):
                project.deliver(
                    f"{module.lower()}/{table}/{name}.{kind}",
                    (folder / f"{module}.{kind}").read_bytes(),
                    delivered,
                )
