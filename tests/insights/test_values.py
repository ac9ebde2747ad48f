"""The campus through a build: indicators, targets and valid courses, to the value.

See campus.py for what each student did; PROTOCOL sections 6.3 to 6.6 for the rules.
"""

from __future__ import annotations

import shutil
from dataclasses import replace

import duckdb
import numpy as np
import pytest

from tests.conftest import Project
from tests.insights.campus import GRADED, MODULES, POSTS, Campus, models
from tests.insights.site import build
from trackline.insights import Tables, predict, train
from trackline.insights import lock as locks
from trackline.insights.datasets import analyses
from trackline.insights.processors import InProcess, processor_for
from trackline.insights.store import PREDICTIONS, SAMPLES, Store, definition
from trackline.settings import Settings

TABLES = (
    "int_analyses", "int_samples", "int_indicator_values", "int_target_values",
    "analytics_indicators", "analytics_targets",
)  # fmt: skip
# how deep and how broad an activity can go
POTENTIALS = {
    **dict.fromkeys(("assign", "quiz", "workshop", "lesson"), (5, 2)),
    **dict.fromkeys(("forum", "chat"), (4, 2)),
    "bigbluebuttonbn": (4, 1),
    **dict.fromkeys(("choice", "feedback", "lti", "scorm"), (3, 2)),
    **dict.fromkeys(("data", "glossary", "survey", "wiki"), (2, 1)),
    **dict.fromkeys(
        ("book", "folder", "imscp", "label", "page", "resource", "url"), (1, 1)
    ),
}


@pytest.fixture(scope="module")
def built(project_root):
    with pytest.MonkeyPatch.context() as monkeypatch:
        shutil.rmtree(project_root, ignore_errors=True)
        project = Project(project_root, monkeypatch)
        project.write_seed("prediction_models", models())
        project.configure(
            [{"district_id": "north", "instruction_mode": "facetoface fullyonline"}]
        )
        project.write_seed(
            "analytics_settings",
            [
                # districts.csv has said how it teaches
                {
                    "district_id": "*",
                    "name": "modeinstruction",
                    "value": "blendedhybrid",
                },
                {"district_id": "*", "name": "typeinstitution", "value": "ngo"},
                {"district_id": "*", "name": "percentonline", "value": "100"},
                {"district_id": "north", "name": "percentonline", "value": "65"},
                {"district_id": "*", "name": "modeltimelimit", "value": "600"},
            ],
        )
        Campus().deliver(project)
        build(project)
        yield project


def values(built: Project, indicator: str, course: int = 30) -> dict[int, float]:
    """An indicator's value by student."""
    rows = built.rows(
        "select sample_id::int % 1000, value from int_indicator_values"
        " where model_id = 'grade' and indicator = ? and analysable_id = ?",
        [indicator, str(course)],
    )
    return {user_id: float(value) for user_id, value in rows}


def all_but(common: float, **others: float) -> dict[int, float]:
    """The common value of students 101 to 108, but for `s101=...`."""
    named = {int(name[1:]): value for name, value in others.items()}
    return {user_id: named.get(user_id, common) for user_id in range(101, 109)}


def test_every_potential_is_in_the_test():
    assert set(POTENTIALS) == set(MODULES)


@pytest.mark.parametrize(
    ("indicator", "expected"),
    [
        # 106 a second before the start; 107 at the start, 108 in an activity only
        ("any_access_before_start", all_but(-1, s106=1)),
        # 106 a second after the end, 107 at the end
        ("any_access_after_end", all_but(-1, s106=1)),
        # 102's is anonymous, 106 wrote nothing
        ("any_write_action_in_course", all_but(1, s102=-1, s106=-1)),
        # in the course's own context 104, and 102 anonymously
        ("any_write_action", all_but(-1, s104=1)),
        # 100 days are 14.286 weeks: up to 3 a week are 42 rows, up to 30 are 428; of
        # 107 the row of the last second counts, that of the first does not
        (
            "read_actions",
            all_but(-1, s101=-0.33, s102=0.33, s103=0.33, s104=1, s107=-0.33),
        ),
        # 102's last access was before the start, 103's in the course; those of 104, 105
        # and 106 after it, of which 106 has no row in the course
        ("any_course_access", all_but(-1, s103=1, s104=1, s105=1)),
        ("completion_enabled", all_but(1)),
        ("potential_cognitive_depth", all_but(1)),
        ("potential_social_breadth", all_but(1)),
        ("no_teacher", all_but(1)),
        ("no_student", all_but(1)),
        # 101's is due with the last second, 102's a second later
        ("activities_due", all_but(-1, s101=1)),
        # from -1: a description and a picture 1 each, other fields 0.2 each: 105 has a
        # description and four; 103 both and one, of which only 1 counts; 107 is not
        # confirmed
        (
            "user_profile_set",
            all_but(-1, s102=0, s103=1, s104=-0.6, s105=0.8, s106=0.2),
        ),
        ("user_track_forums", all_but(-1, s101=1)),
    ],
)
def test_indicators_of_courses_and_users(built, indicator, expected):
    assert values(built, indicator) == expected


def test_what_the_site_says_of_itself(built):
    assert built.rows(
        "select distinct indicator, value::double from int_indicator_values"
        " where model_id = 'grade' and indicator like 'site_%' order by 1"
    ) == [
        ("site_academic", -1),
        ("site_blendedhybrid", -1),
        ("site_facetoface", 1),
        ("site_fullyonline", 1),
        # nothing is said of its level: no value
        ("site_ngo", 1),
        ("site_percent_online", 0.3),  # 65 % of 0 to 100, on -1 to 1
    ]
    assert built.rows(
        "select instruction_mode, percent_online, institution_type, institution_level"
        " from rpt_analytics_sites"
    ) == [("facetoface fullyonline", 65, "ngo", None)]


def test_a_sample_without_values_of_its_own_is_left_out(built):
    with duckdb.connect(str(built.warehouse), read_only=True) as con:
        tables = Tables(*(con.table(name) for name in TABLES))
        [grade] = [
            a for a in analyses(con, tables, "train") if a.about.model_id == "grade"
        ]
    names = grade.dataset(labelled=True).columns
    assert "\\local_trackline\\analytics\\indicator\\percent_online" in names
    rows = grade.rows.copy()
    assert len(replace(grade, rows=rows).dataset(labelled=True).labels) == 8 + 6
    # what the site says of itself says nothing of the sample
    rows.loc[rows.sample_id == "30101", grade.of_samples] = np.nan
    assert rows.site_ngo.notna().all()
    assert len(replace(grade, rows=rows).dataset(labelled=True).labels) == 7 + 6


@pytest.mark.parametrize(
    ("course", "cognitive", "social"),
    [
        (41, -1, -1),  # a page: 1 of 5, 1 of 2
        (42, -0.5, -1),  # a glossary: 2, 1
        (43, -0.5, 1),  # a choice without results: 2 instead of 3, 2
        (44, 0.5, 1),  # a forum: 4, 2
        (45, 0, 1),  # an external tool: 3, 2
        (46, -1, -1),  # nothing
    ],
)
def test_what_a_course_offers(built, course, cognitive, social):
    assert values(built, "potential_cognitive_depth", course) == {101: cognitive}
    assert values(built, "potential_social_breadth", course) == {101: social}
    # tracked, but without criteria; nobody teaches
    assert values(built, "completion_enabled", course) == {101: -1}
    assert values(built, "no_teacher", course) == {101: -1}
    # in 46 nobody is a student but by the category
    assert values(built, "no_student", course) == {101: -1 if course == 46 else 1}


@pytest.mark.parametrize("module", MODULES)
def test_depth_and_breadth_of_every_type_of_activity(built, module):
    cognitive, social = POTENTIALS[module]

    def depth(level: int) -> float:
        return round(-1 + 2 * min(level, cognitive) / cognitive, 2)

    def breadth(level: int) -> float:
        return -1 + 2 * min(level, social) / social

    has_feedback = (
        module in GRADED or module in POSTS or module in ("choice", "feedback")
    )
    # 101 did everything, 105 all but what follows feedback; without feedback writing is
    # the most: that of a web conference, 2 of 4
    levels = {101: 5, 105: 3, 102: 1, 103: 2} if has_feedback else {101: 2, 105: 2}
    levels = {102: 1, 103: 2, **levels}
    if module in POSTS:
        levels[104] = 2  # was answered by 101 and never came back
    if module in GRADED:
        levels[107] = 2  # wrote, and looked for feedback before there was any
    if module == "assign":
        levels[108] = 4  # answered the feedback
    expected = {u: depth(levels.get(u, 0)) for u in range(101, 109)}
    assert values(built, f"{module}_cognitive_depth") == expected
    # 2: has looked at feedback; 1: any row
    seen = {101: 2, 105: 2} if has_feedback else {}
    broad = {u: seen.get(u, 1 if u in levels else 0) for u in range(101, 109)}
    assert values(built, f"{module}_social_breadth") == {
        u: breadth(level) for u, level in broad.items()
    }


def test_activities_are_due_in_one_range(built):
    rows = built.rows(
        "select course_module_id, array_agg(range_index)"
        " from int_activities_in_range as activities join"
        " (select distinct course_id, time_start, time_end, range_index from int_ranges"
        " where model_id in ('completion', 'recent')) as ranges"
        " using (course_id, time_start, time_end)"
        " where course_id in (50, 51, 52) group by all"
    )
    assert dict(rows) == {
        # quarters of 25 days; section k of 4 is over after 25 k days
        5001: [0],
        # 5000 is in section 0, section 2 opens after the end, 3 closes on day 30
        5003: [1],
        5004: [3],
        # 5010 is hidden; due on day 25: the first quarter's last second; 5012's due
        # second is the first of the second quarter, which begins after it
        5011: [0],
        # in section 4: from day 60; 5014 from day 120; until day 40
        5013: [3],
        5015: [1],
        # week by week; 5100 is in section 0
        5101: [0],
        5102: [1],
        5103: [2],
        5104: [3],
        # a format without sections: always; the fourth month since it began; 5201 is in
        # section 0
        5200: [2],
    }


def test_targets(built):
    def labels(model_id: str, course: int = 30) -> dict[int, int]:
        return dict(
            built.rows(
                "select sample_id::int % 1000, max(value) from int_target_values"
                " where model_id = ? and analysable_id = ? and purpose = 'train'"
                " group by all having min(value) = max(value)",
                [model_id, str(course)],
            )
        )

    # 101 has 50 of 50 to pass, 102 49.99, 103 an empty grade, 105 80, 106 tomorrow, the
    # others none
    assert labels("grade") == all_but(1, s101=0, s105=0)
    # 101 completed, 104 after the end; 102 and 103 have a row without a time
    assert labels("completion") == all_but(1, s101=0, s104=0)
    # both competencies: 101; one: 102, 103 with another one, 104 who failed the second
    assert labels("competencies") == all_but(1, s101=0)
    # where completion is tracked by criteria, who drops out does not complete
    assert labels("dropout") == labels("completion")
    # elsewhere who left no row after the third quarter's last second: 102 did a second
    # later, 105 at the end, 106 after it; 101 at that second
    assert labels("dropout", 60) == all_but(1, s102=0, s105=0, s106=0)


def test_valid_courses(built):
    def courses(model_id: str, purpose: str) -> set[int]:
        rows = built.rows(
            "select distinct analysable_id::int from int_ranges"
            " where model_id = ? and purpose = ?",
            [model_id, purpose],
        )
        return {row[0] for row in rows}

    # hidden (79) is no matter once a course is over; 393 days (77) are not too long.
    # Not 74 without sections, 76 that ends before it begins, 78 of a second more, 80
    # without criteria
    assert courses("completion", "train") == {30, 50, 51, 77, 79}
    # not 71 hidden, 72 to come, 73 without students, 74, 75 without an end
    assert courses("completion", "predict") == {70}
    assert courses("grade", "train") == {30, 41, 42, 43, 44, 45, 46}
    assert courses("grade", "predict") == set()
    assert courses("competencies", "train") == {30}
    # ten rows per student between start and end: 61 has one too few, 10 and 11 none
    assert courses("dropout", "train") == {30, 60}
    assert courses("dropout", "predict") == {20, 70}
    # only within the model's contexts
    assert courses("course_50", "train") == {50}
    assert courses("category", "train") == courses("completion", "train")
    # static: no sections needed, and no end; not 71 hidden, 72, 73 and what has ended
    assert courses("recent", "predict") == {20, 21, 52, 70, 74, 75}
    # the third quarter of 70 ends with this very second
    assert built.rows(
        "select range_index from int_ranges where model_id = 'completion'"
        " and purpose = 'predict'"
    ) == [(2,)]


def test_valid_samples(built):
    def samples(model_id: str, course: int) -> list[int]:
        rows = built.rows(
            "select distinct sample_id::int from int_samples where model_id = ?"
            " and analysable_id = ? order by 1",
            [model_id, str(course)],
        )
        return [row[0] - course * 1000 for row in rows]

    # not 102, whose enrolment ended before the course began, 106, which began 393 days
    # and a second before it, 108 after it, 202 a second after now; nor the teacher, nor
    # 101's second enrolment. 103's ended a second ago: none to predict
    assert samples("completion", 70) == [101, 104, 105, 107]
    assert samples("completion", 79) == [101, 103, 104, 105, 107]
    # enrolled for 70 % of the month: 101; a second less: 102; 104's ended a second ago
    assert samples("recent", 52) == [101, 103]


class Answers:
    """A processor that says what it is told to."""

    def __init__(self, status: int, rows: list[tuple[str, int, float]]) -> None:
        self.answer, self.rows = (
            {"status": status, "info": ["said"] * (status > 0)},
            rows,
        )

    def check(self) -> None: ...

    def predict(self, model, version, dataset):
        return self.answer, self.rows


def test_what_is_kept_of_the_answers(built, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKLINE_MODELS", str(tmp_path))
    settings = Settings.from_environment()
    processor = Answers(
        0,
        [
            ("70101-2", 1, 0.6),
            ("70104-2", 1, 0.5999),
            ("70105-2", 0, 0.99),  # of the class that is not warned of
            ("70107-2", 1, 1.0),
        ],
    )
    monkeypatch.setattr(Store, "processor", lambda self, analysis: processor)

    def run() -> dict[str, tuple[int, int, str]]:
        with duckdb.connect(str(built.warehouse), read_only=True) as con:
            tables = Tables(*(con.table(name) for name in TABLES))
            for analysis in analyses(con, tables, "predict"):
                about = analysis.about
                model = Store(settings).model(about.district_id, about.model_id)
                model.prepare(definition(about), Store().server("north"))
                if about.model_id == "completion":
                    model.write_state({**model.state(), "is_trained": True})
            runs = predict(con, tables, settings).to_pylist()
        return {r["model_id"]: (r["samples"], r["status"], r["info"]) for r in runs}

    def kept() -> list[tuple[str, int, float]]:
        rows = Store(settings).all_rows("predictions", PREDICTIONS).to_pandas()
        rows = rows[rows.model_id == "completion"]
        return list(zip(rows.sample_id, rows.prediction_score, strict=True))

    runs = run()
    assert runs["completion"] == (4, 0, "")
    assert runs["dropout"] == (0, 0, "Not trained yet")
    assert kept() == [("70101", 0.6), ("70107", 1.0)]

    # an answer that is an error: nothing is kept, and the samples count as predicted
    shutil.rmtree(tmp_path / "insights")
    processor = Answers(1, [])
    assert run()["completion"] == (4, 1, "said")
    assert kept() == []
    model = Store(settings).model("north", "completion")
    used = model.read("samples", SAMPLES, model.version)
    assert used.sample_id.tolist() == ["70101", "70104", "70105", "70107"]
    assert set(used.purpose) == {"predict"}


def test_a_model_that_another_process_works_on_is_skipped(built, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKLINE_MODELS", str(tmp_path))
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.1)
    settings = Settings.from_environment()
    monkeypatch.setattr(Store, "processor", lambda self, analysis: Answers(0, []))
    held = Store(settings).model("north", "recent")
    with (
        duckdb.connect(str(built.warehouse), read_only=True) as con,
        locks.lock(held.fs, held.folder),
    ):
        tables = Tables(*(con.table(name) for name in TABLES))
        runs = {
            run["model_id"]: run for run in predict(con, tables, settings).to_pylist()
        }
    assert (runs["recent"]["samples"], runs["recent"]["status"]) == (0, 1)
    assert runs["recent"]["info"] == "Still being analysed by a previous execution"
    assert runs["dropout"]["info"] == "Not trained yet"
    # the next run has them again
    with duckdb.connect(str(built.warehouse), read_only=True) as con:
        tables = Tables(*(con.table(name) for name in TABLES))
        runs = {
            run["model_id"]: run for run in predict(con, tables, settings).to_pylist()
        }
    # 8 in each of courses 20, 21, 74 and 75, two in 52, three in 70, where 107's
    # enrolment is to come
    assert (runs["recent"]["samples"], runs["recent"]["status"]) == (37, 0)


def test_a_training_that_is_killed_says_so(built, tmp_path, monkeypatch):
    """The classifier is written before the samples: forgetting has to know."""
    monkeypatch.setenv("TRACKLINE_MODELS", str(tmp_path))
    settings = Settings.from_environment()

    def run() -> None:
        with duckdb.connect(str(built.warehouse), read_only=True) as con:
            train(con, Tables(*(con.table(name) for name in TABLES)), settings)

    def kill(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr("trackline.insights.store.Model.append", kill)
        with pytest.raises(KeyboardInterrupt):
            run()
    [model] = Store(settings).kept("north")
    assert (model.state()["is_learning"], model.state()["is_trained"]) == (True, False)
    taught = len(model.files(1).read()[0].rows.labels)
    run()
    # what the killed one had taught is not there twice, nor anybody who was taught
    # then and is gone by now
    assert (model.state()["is_learning"], model.state()["is_trained"]) == (False, True)
    assert len(model.files(1).read()[0].rows.labels) == taught


def test_a_model_that_takes_too_long_is_offered_its_samples_again(
    built, tmp_path, monkeypatch
):
    monkeypatch.setenv("TRACKLINE_MODELS", str(tmp_path))
    settings = Settings.from_environment()
    configured = processor_for("sklearn", "north", Store(settings).configuration)
    assert configured.seconds == 600
    monkeypatch.setattr(Store, "processor", lambda self, analysis: InProcess(1e-9))
    with duckdb.connect(str(built.warehouse), read_only=True) as con:
        tables = Tables(*(con.table(name) for name in TABLES))
        runs = train(con, tables, settings).to_pylist()
    [run] = [run for run in runs if run["model_id"] == "dropout"]
    assert run["samples"] == 16  # courses 30 and 60, 8 students each
    assert run["status"] == 1
    assert "takes longer than" in run["info"]
    model = Store(settings).model("north", "dropout")
    assert not model.state()["is_trained"]
    assert model.read("samples", SAMPLES, model.version).empty
