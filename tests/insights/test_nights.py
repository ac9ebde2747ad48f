"""What one night leaves to the next: nothing twice, new versions, off means off."""

from __future__ import annotations

import duckdb
import pytest

from tests.insights.site import C_START, DAY, NOW, Site, build
from tests.insights.test_site import busy_site, enable

PREDICTIONS = "model_id, sample_id, range_index, prediction_score, reasons, insight_id"


def as_of(project, day: str) -> None:
    project.configure([{"district_id": "north", "as_of": day}])


def test_nights(project, monkeypatch):
    site = busy_site()
    site.deliver(project)
    enable(project)
    build(project)
    first = project.table("rpt_predictions", PREDICTIONS)
    files = {p: p.read_bytes() for p in project.models.rglob("*.parquet")}

    # the same day again: nothing new to learn, nothing predicted twice
    build(project)
    assert project.table("rpt_predictions", PREDICTIONS) == first
    assert {p: p.read_bytes() for p in project.models.rglob("*.parquet")} == files
    assert project.rows("select distinct info from int_trainings") == [("No new data",)]
    assert project.rows("select distinct info from int_prediction_runs") == [
        ("No new predictions",)
    ]

    # what was trained and predicted survives a full refresh, with another result of dbt
    build(project, "--full-refresh")
    assert project.table("rpt_predictions", PREDICTIONS) == first

    # ten days on: the third quarter of course 20; insights tell the latest range only
    as_of(project, "2025-03-08")
    build(project)
    ranges = project.rows(
        "select range_index, count(*) from int_samples where model_id ="
        " 'course_dropout' group by all"
    )
    assert ranges == [(2, 8)]
    # a week's ranges count from the first night that users were analysed
    assert project.rows(
        "select distinct range_index, time_start, time_end from int_ranges"
        " where model_id = 'upcoming_activities_due'"
    ) == [(1, NOW + 7 * DAY, NOW + 14 * DAY)]
    assert project.rows(
        "select count(*), count(distinct sample_id) from rpt_insights where model_id ="
        " 'course_dropout'"
    )[0][0] == len(
        project.rows(
            "select distinct sample_id from rpt_predictions where model_id ="
            " 'course_dropout'"
        )
    )

    # switched off: no model runs, nothing else changes
    said = project.table("rpt_predictions", PREDICTIONS)
    told = project.table("rpt_insight_recipients")
    use = project.table("fct_daily_usage")
    project.write_seed(
        "analytics_settings",
        [{"district_id": "north", "name": "enableanalytics", "value": "0"}],
    )
    as_of(project, "2025-03-20")
    build(project)
    assert project.rows("select count(*) from int_analyses") == [(0,)]
    assert project.table("rpt_predictions", PREDICTIONS) == said
    assert project.table("fct_daily_usage") == use
    # enrolments end with time, insights do not appear
    assert set(project.table("rpt_insight_recipients")) <= set(told)

    # on again with another interval: a new version, what the old one said is gone
    project.write_seed(
        "analytics_settings",
        [{"district_id": "north", "name": "enableanalytics", "value": "1"}],
    )
    enable(project, "single_range")
    as_of(project, "2025-03-08")
    build(project)
    assert project.rows("select version, samples, status from int_trainings") == [
        (2, 16, 0)
    ]
    assert project.rows(
        "select distinct analysis_interval from rpt_predictions where model_id ="
        " 'course_dropout'"
    ) in ([("single_range",)], [])
    folder = project.models / "insights" / "north" / "course_dropout"
    assert sorted(p.name for p in folder.iterdir() if p.name.isdigit()) == ["2"]


def test_sites_that_lack_something(project):
    """No ends, a course without students, rows of nobody, broken files."""
    site = Site()
    for row in site.tables["course"]:
        if row["id"] != 10:
            row["enddate"] = 0
    # rows of user 0: use of nobody
    for second in range(2000):
        site.log(0, 10, C_START + second)
    # a site that grades nothing
    ungraded = busy_site()
    for name in ("grade_items", "grade_grades"):
        ungraded.tables[name] = []
    project.configure([{"district_id": "north"}, {"district_id": "south"}])
    ungraded.deliver(project, district="south")
    site.tables["course"].append(
        {**site.tables["course"][-1], "id": 25, "startdate": C_START, "enddate": 0}
    )
    site.tables["context"].append(
        {"id": 1025, "contextlevel": 50, "instanceid": 25, "path": "/1/3/1025"}
    )
    site.deliver(project)
    project.deliver(
        "north/moodle/quiz.csv", "id,course,timeclose\n1,20\nx,20,5\n2,20,7\n"
    )
    project.deliver("north/moodle/role.csv", 'id,shortname\n1,"man\n')
    project.deliver("north/moodle/assign.csv", "course,duedate\n20,1\n")
    project.deliver("north/moodle/mdl_nonsense.csv", "id\n1\n")
    enable(project)
    build(project)
    # the bad rows and files are told, the others are there
    assert project.rows(
        "select table_name, status, rows_read, rows_rejected from dq_files"
        " where district_id = 'north' and table_name in ('moodle/quiz', 'moodle/role',"
        " 'moodle/assign', 'moodle/mdl_nonsense') order by 1"
    ) == [
        ("moodle/assign", "unreadable", 1, 1),
        ("moodle/mdl_nonsense", "unknown_table", 0, 0),
        ("moodle/quiz", "loaded", 3, 2),
        ("moodle/role", "unreadable", 1, 1),
    ]
    assert project.rows(
        "select rule, column_name, row_number from dq_rejected_rows"
        " where table_name = 'moodle/quiz' order by row_number"
    ) == [("missing_value", None, 1), ("bad_number", "id", 2)]
    # without grades there is no feedback to see: 101, who did all there is, has written
    # into the assignment, 2 of 5; everything else is learned and predicted as ever
    assert project.rows(
        "select indicator, value::double from int_indicator_values where purpose ="
        " 'predict' and sample_id = '20101' and indicator like 'assign%' order by 1"
    ) == [("assign_cognitive_depth", -0.2), ("assign_social_breadth", 0)]
    assert project.rows("select count(*) from fct_scores") == [(0,)]
    assert project.rows(
        "select district_id, samples, status from int_trainings order by 1"
    ) == [
        ("north", 0, 0),
        ("south", 64, 0),
    ]
    # without roles nobody is a student: nothing is analysed and nobody is told anything
    north = "where district_id = 'north'"
    for table, count in (
        ("int_moodle_enrolments", 0),
        ("fct_daily_usage", 0),
        ("int_moodle_log", 2000),
    ):
        assert project.rows(f"select count(*) from {table} {north}") == [(count,)]

    # the roles arrive: course 10 has an end but too few rows to be learned from, the
    # others have no end; 25 has no students
    site.deliver(project, "2025-03-01T05:00:00")
    build(project)
    assert (
        project.rows(
            "select purpose, analysable_id from int_ranges where target ="
            f" 'course_dropout' and {north[6:]}"
        )
        == []
    )
    assert project.rows(
        "select distinct course_id from int_ranges where target ="
        f" 'no_access_since_course_start' and {north[6:]} order by 1"
    ) == [(11,), (20,), (21,)]
    assert project.rows("select distinct status, info from int_trainings") == [
        (0, "No new data")
    ]
    # nobody was ever in a course: the static models say so
    assert project.rows(
        "select count(*) from rpt_predictions where model_id = 'no_recent_accesses'"
        f" and {north[6:]}"
    ) == [(24,)]


@pytest.mark.long
def test_two_million_rows_of_nobody(project):
    """A site's system user may write most of its log: the analysis is the same."""
    project.configure([{"district_id": "north"}, {"district_id": "south"}])
    enable(project)
    site = busy_site()
    for district in ("north", "south"):
        site.deliver(project, district=district)
    rows = 2_000_000
    folder = project.landing / "south/moodle/logstore_standard_log"
    folder.mkdir()
    with duckdb.connect() as con:
        con.execute(
            f"""
copy (
    select 1000000 + i as id, '\\core\\event\\course_viewed' as eventname,
        'core' as component, case when i % 2 = 0 then 'r' else 'c' end as crud,
        1020 as contextid, 50 as contextlevel, 20 as contextinstanceid,
        0 as userid, 20 as courseid, 0 as anonymous,
        {C_START} + i % (28 * 86400) as timecreated
    from range({rows}) t(i)
) to '{folder}/cron.parquet' (format parquet)"""
        )
    build(project)
    at = {d: f"where district_id = '{d}'" for d in ("north", "south")}
    assert project.rows(
        f"select count(*) from int_moodle_log {at['south']} and user_id is null"
    ) == [(rows + 1,)]
    for table, columns in (
        ("fct_daily_usage", "student_id, app_id, usage_date, session_count"),
        ("dim_students", "student_id, type, usage_minutes"),
        (
            "int_indicator_values",
            "model_id, purpose, sample_id, range_index, indicator, value",
        ),
        ("int_target_values", "model_id, purpose, sample_id, range_index, value"),
        ("rpt_predictions", "model_id, sample_id, range_index, prediction_score"),
    ):
        north, south = (
            project.table(f"{table} {where}", columns) for where in at.values()
        )
        assert north == south != [], table


def test_pseudonyms(project, monkeypatch):
    """With a key no raw id is in any table or file; the analysis is the same."""
    site = busy_site()
    # ids that occur nowhere else
    raw = {str(s): str(7_310_000 + s) for s in (*range(101, 109), 201, 202, 203, 204)}

    def renamed(value):
        return raw.get(str(value), value)

    for name, rows in site.tables.items():
        for row in rows:
            for column in ("userid", "instanceid", "id"):
                level = row.get("contextlevel")
                is_user = column == "userid" or (column == "id" and name == "user")
                if column in row and (
                    is_user or (column == "instanceid" and level == 30)
                ):
                    row[column] = renamed(row[column])
    for row in site.log_rows:
        row["userid"] = renamed(row["userid"])
    site.tables["config"][1]["value"] = "2"
    everywhere = {"district_id": "*", "user_id": raw["203"], "role": "guest"}
    here = {"district_id": "north", "user_id": raw["204"], "role": "teacher"}
    project.write_seed("role_assignments", [everywhere, {**here, "context_id": "1020"}])
    monkeypatch.setenv("TRACKLINE_PSEUDONYM_KEY", "a secret of the district")
    site.deliver(project)
    enable(project)
    build(project)
    from trackline.privacy import pseudonym

    known = pseudonym("a secret of the district", "north", raw["201"])
    assert project.rows(
        "select count(*) > 0 from rpt_insight_recipients where user_id = ?", [known]
    ) == [(True,)]
    assert project.rows(
        "select count(*) from rpt_predictions where model_id ="
        " 'upcoming_activities_due'"
    ) == [(8,)]
    with duckdb.connect(str(project.warehouse), read_only=True) as con:
        tables = con.execute(
            "select table_name from duckdb_tables() where schema_name = 'main'"
        ).fetchall()
        for (table,) in tables:
            text = con.execute(
                f'select string_agg(t::varchar) from "{table}" t'
            ).fetchone()
            for value in raw.values():
                assert value not in (text[0] or ""), table
    guest = pseudonym("a secret of the district", "north", raw["203"])
    teacher = pseudonym("a secret of the district", "north", raw["204"])
    assert project.rows("select * from role_assignments order by role") == [
        ("north", guest, "guest", None),
        ("north", teacher, "teacher", "1020"),
    ]
    assert project.rows(
        "select user_id, role, context_id from int_role_holders"
        " where user_id in (?, ?) and role in ('guest', 'teacher') order by role",
        [guest, teacher],
    ) == [(guest, "guest", 1), (teacher, "teacher", 1020)]
    for path in (project.warehouse, *project.models.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            assert not any(value.encode() in content for value in raw.values()), path
