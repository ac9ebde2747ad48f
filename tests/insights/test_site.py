"""The hand-written site through a build: every value is worked out in a comment."""

from __future__ import annotations

import csv

import pytest

from tests.conftest import ROOT, Project
from tests.insights.site import (
    C_END,
    C_START,
    DAY,
    NOW,
    Site,
    build,
)
from trackline.insights import notify
from trackline.settings import Settings

Q2_START, Q2_END = C_START + 10 * DAY + 1, C_START + 20 * DAY


def enable(project: Project, interval: str = "quarters", **more: str) -> None:
    """Enable course_dropout, which Moodle ships disabled."""
    with (ROOT / "seeds" / "prediction_models.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        if row["model_id"] == "course_dropout":
            row.update(enabled="true", analysis_interval=interval, **more)
    project.write_seed("prediction_models", rows)


def busy_site() -> Site:
    """The site with the second quarter of course 20 as told below."""
    site = Site()
    site.finished_courses_log()

    def log(user, day, **more):
        site.log(user, 20, C_START + int(day * DAY), **more)

    # 101: before the start; at the range's first second, which is outside of it; twice
    # inside; at its last second, which is inside
    log(101, -1)
    site.log(101, 20, Q2_START)
    log(101, 11)
    log(101, 12)
    log(101, 20)
    # 101 submits, is graded on day 14, looks at it and submits again
    log(101, 12.1, cm=501, crud="c", event="assessable_submitted")
    site.tables["grade_items"] += [
        {
            "id": 1, "courseid": 20, "itemtype": "mod", "itemmodule": "assign",
            "iteminstance": 1, "gradetype": 1, "grademax": "50.00000", "grademin": 0,
        },
        # Moodle's defaults: 0 to 100
        {"id": 2, "courseid": 20, "itemtype": "course"},
    ]  # fmt: skip
    site.tables["grade_grades"] += [
        {
            "id": 1, "itemid": 1, "userid": 101, "finalgrade": "45.00000",
            "timemodified": 0, "timecreated": C_START + 14 * DAY,
        },
        {
            "id": 2, "itemid": 2, "userid": 101, "finalgrade": "77.5",
            "timemodified": C_START + 14 * DAY,
        },
    ]  # fmt: skip
    log(101, 15, cm=501, event="feedback_viewed")
    log(101, 16, cm=501, crud="c", event="assessable_submitted")
    # 102 submits and looks at feedback that there is not: no grade
    log(102, 12.2, cm=501, crud="c", event="assessable_submitted")
    log(102, 13.2, cm=501, event="feedback_viewed")
    # the forum: who wrote when, and who came back
    log(101, 11.1, cm=502, crud="c", event="assessable_uploaded")
    log(102, 12, cm=502, crud="c", event="assessable_uploaded")
    log(101, 13, cm=502, event="discussion_viewed")
    log(103, 13.1, cm=502, crud="c", event="assessable_uploaded")
    log(104, 14, cm=502, crud="c", event="assessable_uploaded")
    log(103, 15, cm=502, crud="c", event="assessable_uploaded")
    # the page
    log(102, 19, cm=503)
    # an anonymous entry is an activity of the page and no write action in the course
    log(105, 12, cm=503, crud="c", anonymous=1)
    # the quiz that is due in the third quarter
    log(101, 12, cm=504)
    # the choice: sees others' answers only after answering
    log(101, 13, cm=505)
    log(101, 14, cm=505, crud="c", event="answer_created")
    log(101, 15, cm=505)
    log(102, 13, cm=505)
    # the feedback whose results are not shown
    log(101, 12, cm=506)
    # nobody's rows: the guest's, the system's
    log(1, 12)
    log(0, 12)
    # the last accesses of all courses
    site.tables["user_lastaccess"] = [
        {"userid": 101, "courseid": 20, "timeaccess": C_START + 20 * DAY},
        {"userid": 102, "courseid": 20, "timeaccess": C_START - DAY},
        {"userid": 101, "courseid": 21, "timeaccess": C_START + 2 * DAY},
    ]
    # 3 days ahead: due for the students of course 20; 8 days ahead is not this week
    site.tables["event"] = [
        {
            "id": 1, "courseid": 20, "userid": 0, "type": 1, "visible": 1,
            "timesort": NOW + 3 * DAY,
        },
        {
            "id": 2, "courseid": 0, "userid": 203, "type": 1, "visible": 1,
            "timesort": NOW + 8 * DAY,
        },
        # an entry without action
        {
            "id": 3, "courseid": 0, "userid": 203, "type": 0, "visible": 1,
            "timesort": NOW + 3 * DAY,
        },
    ]  # fmt: skip
    # 22 begins in three days with nobody in it; 23 with a teacher and a student; 24 in
    # eight days
    for course_id, days in ((22, 3), (23, 3), (24, 8)):
        site.add_course(course_id, NOW + days * DAY, 0)
    site.assign(201, 3, 1023)
    site.assign(101, 5, 1023)
    return site


def pick(rows: list[tuple]) -> dict:
    return {row[0]: float(row[1]) for row in rows}


@pytest.fixture(scope="module")
def built(project_root, tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        import shutil

        shutil.rmtree(project_root, ignore_errors=True)
        project = Project(project_root, monkeypatch)
        busy_site().deliver(project)
        enable(project)
        build(project)
        yield project


def indicators(project: Project, sample: str, index: int = 1) -> dict[str, float]:
    return pick(
        project.rows(
            "select indicator, value from int_indicator_values where purpose ="
            " 'predict'"
            " and model_id = 'course_dropout' and sample_id = ? and range_index = ?",
            [sample, index],
        )
    )


def test_the_range_is_the_last_quarter_that_is_over(built):
    # 29 of 40 days are over: the quarters of day 10 and day 20 are ready
    assert built.rows(
        "select analysable_id, range_index, time_start, time_end from int_ranges"
        " where model_id = 'course_dropout' and purpose = 'predict'"
    ) == [("20", 1, Q2_START, Q2_END)]
    # training: the finished courses, all four quarters; 21 has no end
    assert built.rows(
        "select analysable_id, count(*) from int_ranges where purpose = 'train'"
        " group by all order by all"
    ) == [("10", 4), ("11", 4)]


def test_indicators_of_a_busy_student(built):
    assert indicators(built, "20101") == {
        "any_access_after_end": -1,  # the course goes on
        "any_access_before_start": 1,
        "any_write_action_in_course": 1,
        # 3 rows in 10 days = 1.43 weeks: not more than 3 a week
        "read_actions": -0.33,
        "completion_enabled": -1,
        # an assignment can be five levels deep, two broad
        "potential_cognitive_depth": 1,
        "potential_social_breadth": 1,
        # submitted after feedback: 5 of 5 levels, 2 of 2
        "assign_cognitive_depth": 1,
        "assign_social_breadth": 1,
        # wrote on day 11, was answered on day 12, came back on day 13: 3 of 4
        "forum_cognitive_depth": 0.5,
        "forum_social_breadth": 1,
        "page_cognitive_depth": -1,
        "page_social_breadth": -1,
        # saw the results after answering: 3 of 3
        "choice_cognitive_depth": 1,
        "choice_social_breadth": 1,
        # without results there are two levels, and 101 only looked: 1 of 2, 1 of 2
        "feedback_cognitive_depth": 0,
        "feedback_social_breadth": 0,
        # the quiz is due later, and there is no other activity: nothing
    }


def test_indicators_of_others(built):
    two = indicators(built, "20102")
    # wrote into the assignment (2 of 5: -1 + 2 * 2/5), saw no feedback without a grade
    assert two["assign_cognitive_depth"] == -0.2
    assert two["assign_social_breadth"] == 0  # 1 of 2
    # wrote, was answered by 103, never came back: 2 of 4
    assert two["forum_cognitive_depth"] == 0
    assert two["page_cognitive_depth"] == two["page_social_breadth"] == 1  # 1 of 1
    # looked at the choice, did not answer: 1 of 3, -1 + 2/3 = -0.333
    assert two["choice_cognitive_depth"] == -0.33
    assert two["read_actions"] == -1  # no row in the course's own context
    assert two["any_access_before_start"] == -1
    three = indicators(built, "20103")
    assert three["forum_cognitive_depth"] == 1  # wrote, was answered, answered: 4 of 4
    # 104 wrote on day 14 and was answered on day 15: looked no more, 2 of 4
    assert indicators(built, "20104")["forum_cognitive_depth"] == 0
    five = indicators(built, "20105")
    assert five["any_write_action_in_course"] == -1  # anonymous
    assert five["page_cognitive_depth"] == 1
    eight = indicators(built, "20108")
    low = {n: v for n, v in eight.items() if not n.startswith("potential")}
    assert set(low.values()) == {-1}


def test_targets(built):
    # the even students' last row is on day 96 of 100, the odd ones' on day 48, before
    # the
    # last quarter: 2 courses x 4 quarters x 4 students each
    assert built.rows(
        "select sample_id::int % 2 as odd, value, count(*) from int_target_values"
        " where purpose = 'train' group by all order by all"
    ) == [(0, 0, 32), (1, 1, 32)]


def test_static_predictions(built):
    def samples(model_id):
        return [
            row[0]
            for row in built.rows(
                "select sample_id from rpt_predictions where model_id = ? order by 1",
                [model_id],
            )
        ]

    # 101 was in course 20 within the month; 102 before it began, the others never. In
    # course 21 everybody but 101 never, and 101 on 3 February, within the month
    expected = [f"{c}{s}" for c in (20, 21) for s in range(102, 109)]
    assert samples("no_recent_accesses") == expected
    # since 1 February and 15 January
    assert samples("no_access_since_course_start") == expected
    # 22 has nobody, 23 both, 24 begins too late
    assert samples("no_teaching") == ["22"]
    assert samples("upcoming_activities_due") == [str(s) for s in range(101, 109)]
    assert built.rows(
        "select distinct prediction, prediction_score from rpt_predictions"
        " where model_id <> 'course_dropout'"
    ) == [(1, 1.0)]


def test_recipients(built):
    found = built.rows(
        "select model_id, course_id, list(distinct recipients.user_id order by"
        " recipients.user_id), count(distinct insight_id) from rpt_insights"
        " join rpt_insight_recipients as recipients using (district_id, insight_id)"
        " where model_id <> 'upcoming_activities_due' and model_id <> 'course_dropout'"
        " group by all order by all"
    )
    assert found == [
        # the teachers enrolled in course 20; not 204, who is enrolled nowhere, not 203,
        # who manages the site without being enrolled; course 21 has no teacher
        ("no_access_since_course_start", 20, ["201", "202"], 7),
        ("no_recent_accesses", 20, ["201", "202"], 7),
        # the manager holds the capability for the whole site; the administrator does
        # not
        ("no_teaching", 22, ["203"], 1),
    ]
    # one's own
    assert built.rows(
        "select count(*), count(*) filter (insights.user_id = recipients.user_id)"
        " from rpt_insights as insights"
        " join rpt_insight_recipients as recipients using (district_id, insight_id)"
        " where model_id = 'upcoming_activities_due'"
    ) == [(8, 8)]


def test_what_is_due_is_told_to_the_recipients_and_nobody_else(built):
    """The command reads tables that a build made, not those that its tests make."""
    due = notify.due(Settings.from_environment())
    told = [
        (message.district_id, insight_id, message.user_id)
        for message in due
        for insight_id, _, _ in message.insights
    ]
    assert sorted(told) == built.table(
        "rpt_insight_recipients", "district_id, insight_id, user_id"
    )


def test_the_log_is_use_and_the_grades_are_scores(built):
    # course 20 between day 10 and 21: 101's rows by component
    assert built.rows(
        "select app_id, sum(session_count) from fct_daily_usage where student_id ="
        " '101'"
        " and usage_date >= '2025-02-11' group by all order by all"
    ) == [
        ("core", 4),
        ("mod_assign", 3),
        ("mod_choice", 3),
        ("mod_feedback", 1),
        ("mod_forum", 2),
        ("mod_quiz", 1),
    ]
    # neither the system's user 0 nor the anonymous row; the guest is nowhere a student
    assert built.rows(
        "select count(*) from fct_daily_usage where student_id = '0'"
    ) == [(0,)]
    assert built.rows("select count(*) from dim_students where student_id = '1'") == [
        (0,)
    ]
    assert built.rows(
        "select count(*) from fct_daily_usage where student_id = '105'"
        " and usage_date > '2025-01-01'"
    ) == [(0,)]
    # 45 of 50 on 15 February; the course total is an average
    assert built.rows(
        "select student_id, measure, app_id, assessment_id, measured_on::varchar,"
        " score::varchar from fct_scores order by measure"
    ) == [
        ("101", "assessment", "mod_assign", "1", "2025-02-15", "90.000000"),
        ("101", "average", "", "2", "2025-02-15", "77.500000"),
    ]
    # teachers are no students of the district
    assert built.rows("select student_id from dim_students order by 1") == [
        (str(s),) for s in range(101, 109)
    ]
    assert built.rows(
        "select type, performance from dim_students where student_id = '101'"
    ) == [(1, "excellent")]


def test_secrets_and_names_of_the_site_are_not_kept(built):
    for row in built.rows("select columns(*)::varchar from int_moodle_records"):
        assert not {"hunter2", "user101", "user101@example.org"} & set(row)


def test_the_dataset_is_the_protocols(built, monkeypatch):
    import duckdb

    from trackline.insights import Tables
    from trackline.insights.datasets import analyses, to_csv
    from trackline.predictions.dataset import read_dataset

    with duckdb.connect(str(built.warehouse), read_only=True) as con:
        names = (
            "int_analyses", "int_samples", "int_indicator_values", "int_target_values",
            "analytics_indicators", "analytics_targets",
        )  # fmt: skip
        tables = Tables(*(con.table(name) for name in names))
        predicted = next(
            a
            for a in analyses(con, tables, "predict")
            if a.about.model_id == "course_dropout"
        ).dataset(labelled=False)
        learned = next(analyses(con, tables, "train")).dataset(labelled=True)
    # 4 quarters, 4 binary, 3 + 42 linear indicators with their means
    assert len(predicted.columns) == len(learned.columns) == 4 + 4 + 2 * 45
    assert predicted.columns[:5] == (
        "range/0", "range/1", "range/2", "range/3",
        "\\core\\analytics\\indicator\\any_access_after_end",
    )  # fmt: skip
    assert predicted.sample_ids == tuple(f"20{s}-1" for s in range(101, 109))
    row = dict(zip(predicted.columns, predicted.features[0].tolist(), strict=True))
    assert [row[f"range/{k}"] for k in range(4)] == [0, 1, 0, 0]
    # (-0.33 + 7 x -1) / 8 = -0.91625
    name = "\\core\\analytics\\indicator\\read_actions"
    assert (round(row[name], 6), round(row[name + "/mean"], 6)) == (-0.33, -0.92)
    # half away from zero: (1 + 7 x -1) / 8 = -0.75; (0.5 + 0 + 1 + 0 + 4 x -1) / 8
    name = "\\mod_forum\\analytics\\indicator\\cognitive_depth"
    assert round(row[name + "/mean"], 6) == -0.31  # -0.3125
    assert learned.labels.sum() == 32
    import io

    text = to_csv(predicted)
    assert text.splitlines()[0] == (
        b"timesplitting,nfeatures,moodleversion,targetcolumn,targettype,targetclasses"
    )
    again = read_dataset(io.BytesIO(text), labelled=False)
    assert again.columns == predicted.columns
    assert again.sample_ids == predicted.sample_ids
    # a quiz without a value is an empty cell
    assert b",," in text.splitlines()[3]


def test_the_last_quarter_of_the_running_course_was_learned_from_nowhere(built):
    assert built.rows("select model_id, samples, status from int_trainings") == [
        ("course_dropout", 64, 0)
    ]
    assert built.rows(
        "select count(*) > 0, min(prediction_score) >= 0.6, min(prediction)"
        " from rpt_predictions where model_id = 'course_dropout'"
    ) == [(True, True, 1)]
    assert built.rows("select max(time_end) from int_ranges where purpose='train'") < [
        (C_END,)
    ]
