"""Every rule of the seeds: the file, the row and the rule that a mistake names."""

from __future__ import annotations

import pytest

from trackline.config import check, load
from trackline.settings import ROOT, RefusedError

LAKEVIEW = "America/Chicago,08-15,2026-03-31,0,latest,5,30,5,50,true"


def lakeview(old: str, new: str) -> str:
    """Return lakeview's cells with one changed."""
    return LAKEVIEW.replace(old, new)


GOOD_BAND = "*,satisfactory,69"
DROPOUT_END = ",,,false,"  # course_dropout: no interval, default processor, off


def one_line(path: str, needle: str) -> int:
    """Return the line (header: 1) on which the text stands."""
    lines = (ROOT / "seeds" / path).read_text(encoding="utf-8").splitlines()
    (line,) = [number for number, text in enumerate(lines, 1) if needle in text]
    return line


# file -> (text that stands once, what it becomes, rule, what would break)
WRONG_CELLS = {
    "districts.csv": [
        ("\nlakeview,", "\nLakeview,", "bad_district_id", "folder name"),
        ("\nlakeview,", "\n_lake,", "bad_district_id", "folder name"),
        ("\nlakeview,", f"\n{'a' * 33},", "bad_district_id", "too long"),
        ("\nlakeview,", "\n../x,", "bad_district_id", "path escapes"),
        ("\nlakeview,", "\n*,", "bad_district_id", "no district is all"),
        ("\nlakeview,", "\n,", "missing_value", "no id at all"),
        ("America/Chicago", "America/Chikago", "unknown_time_zone", "day"),
        ("America/Chicago", "america/chicago", "unknown_time_zone", "day"),
        ("America/Chicago", "localtime", "unknown_time_zone", "machine"),
        ("America/Chicago", "", "missing_value", "whose midnight"),
        ("08-15", "02-29", "bad_month_day", "most years lack the day"),
        ("08-15", "8-15", "bad_month_day", "text compares wrongly"),
        ("08-15", "13-01", "bad_month_day", "no month"),
        ("08-15", "08-32", "bad_month_day", "no day"),
        ("08-15", "", "missing_value", "school year unknown"),
        ("08-15,2026-03-31", "08-15,2026-02-30", "bad_date", "no day"),
        ("08-15,2026-03-31", "08-15,03/31/2026", "bad_date", "no ISO"),
        ("08-15,2026-03-31", "08-15,20260331", "bad_date", "no ISO"),
        (
            LAKEVIEW,
            lakeview(",0,la", ",-1,la"),
            "out_of_range",
            "a number no rule can use",
        ),
        (
            LAKEVIEW,
            lakeview(",0,la", ",1.5,la"),
            "bad_number",
            "the warehouse's cast would fail or guess",
        ),
        (LAKEVIEW, lakeview("latest", "newest"), "bad_value", "no such choice"),
        (
            LAKEVIEW,
            lakeview("t,5,", "t,0,"),
            "out_of_range",
            "a number no rule can use",
        ),
        (LAKEVIEW, lakeview("t,5,", "t,٥,"), "bad_number", "SQL"),
        (LAKEVIEW, lakeview("t,5,", "t,1_0,"), "bad_number", "SQL"),
        (
            LAKEVIEW,
            lakeview(",30,", ",NaN,"),
            "bad_number",
            "the warehouse's cast would fail or guess",
        ),
        (
            LAKEVIEW,
            lakeview("5,50", "101,50"),
            "out_of_range",
            "a number no rule can use",
        ),
        (
            LAKEVIEW,
            lakeview(",50,", ",-3,"),
            "out_of_range",
            "a number no rule can use",
        ),
        (LAKEVIEW, lakeview("true", "yes"), "bad_boolean", "neither on nor off"),
        (
            "blendedhybrid,25",
            "blendedhybrid,125",
            "out_of_range",
            "a number no rule can use",
        ),
        ("blendedhybrid,25", "hybrid,25", "bad_value", "a feature nobody has"),
        ("Harborside Public", "Harborside\x07Public", "bad_text", "bell"),
        ("Harborside Public", " Harborside", "bad_text", "blank in front"),
    ],
    "district_apps.csv": [
        (",alpha_math,", ",,", "missing_value", "nameless column"),
        (",alpha_math,", f",{'x' * 65},", "bad_app_id", "never loads"),
        (",alpha_math,", ",Student_ID,", "reserved_app_id", "column"),
        (",alpha_math,", ",type,", "reserved_app_id", "column"),
        (",alpha_math,", ",performance,", "reserved_app_id", "column"),
        (",alpha_math,", ",score,", "reserved_app_id", "column"),
        (",alpha_math,", ",measured_on,", "reserved_app_id", "column"),
        ("true,45,260,5980.00", "maybe,45,260,1", "bad_boolean", "neither on nor off"),
        (
            "true,45,260,5980.00",
            "true,-4,260,1",
            "out_of_range",
            "a number no rule can use",
        ),
        (
            "true,45,260,5980.00",
            "true,45,2.5,1",
            "bad_number",
            "the warehouse's cast would fail or guess",
        ),
        (
            "true,45,260,5980.00",
            "true,45,260,$9",
            "bad_number",
            "the warehouse's cast would fail or guess",
        ),
        (",beta_facts,", ",alpha_math,", "duplicate_row", "counted 2x"),
        (
            ",beta_facts,",
            ",ALPHA_MATH,",
            "app_ids_differ_only_in_case",
            "a second column would silently be named x_1",
        ),
        ("lakeview,proofs", "lakevew,proofs", "unknown_district", "rows for nobody"),
    ],
    "score_bands.csv": [
        (GOOD_BAND, "*,satisfactory,88", "duplicate_bound", "two bands"),
        (GOOD_BAND, "*,satisfactory,88.0", "duplicate_bound", "equal"),
        (GOOD_BAND, "*,excellent,69", "duplicate_row", "one name twice"),
        (GOOD_BAND, "*,,69", "missing_value", "a band needs a name"),
        (GOOD_BAND, "*,satisfactory,", "missing_value", "no bound"),
        (GOOD_BAND, "*,satisfactory,high", "bad_number", "no number"),
        (GOOD_BAND, "*,satisfactory,1e1", "bad_number", "no plain one"),
        (GOOD_BAND, "*,satisfactory,69.1234567", "bad_number", "rounds"),
        (GOOD_BAND, "*,satisfactory,100.5", "out_of_range", "no percent"),
        (GOOD_BAND, "*,satisfactory,-1", "out_of_range", "no percent"),
        (GOOD_BAND, "gone,satisfactory,0", "unknown_district", "rows for nobody"),
    ],
    "analysis_intervals.csv": [
        (",parts,4,,", ",pieces,4,,", "bad_value", "no such kind"),
        (",parts,4,,", ",parts,,,", "interval_measure", "how many"),
        (",parts,4,,", ",parts,4,7,", "interval_measure", "which"),
        (",parts,4,,", ",parts,,7,", "interval_measure", "which"),
        (",whole,,,", ",whole,4,,", "interval_measure", "none"),
        (",parts,4,,", ",parts,1,,", "out_of_range", "no split"),
        ("*,deciles,", "*,quarters,", "duplicate_row", "which one"),
    ],
    "prediction_models.csv": [
        ("*,no_teaching", "*,no/teaching", "bad_model_id", "forget would miss it"),
        ("*,no_teaching", "*,.no_teaching", "bad_model_id", "path escapes"),
        ("*,no_teaching", "*,told", "bad_model_id", "whom notify has told"),
        ("*,no_teaching", f"*,{'a' * 65}", "bad_model_id", "too long"),
        (
            "course_dropout,course_dropout",
            "course_dropout,course_drop",
            "unknown_target",
            "nothing to predict",
        ),
        (
            "no_teacher no_s",
            "no_tea no_s",
            "unknown_indicator",
            "a feature nobody computes",
        ),
        ("no_teacher no_student", "", "missing_value", "no feature"),
        (
            "no_teacher no_student",
            "no_student no_student",
            "duplicate_name",
            "two equal features",
        ),
        ("upcoming_week", "next_week", "unknown_interval", "when"),
        (
            "upcoming_week",
            "past_week",
            "interval_not_for_target",
            "activities due lie ahead",
        ),
        (
            DROPOUT_END,
            ",upcoming_week,,false,",
            "interval_not_for_target",
            "a future interval has no log to learn from",
        ),
        (
            DROPOUT_END,
            ",no_splitting,,false,",
            "interval_not_for_target",
            "would look past now",
        ),
        (DROPOUT_END, ",,,true,", "missing_value", "no interval"),
        (DROPOUT_END, ",,php,false,", "unknown_processor", "nobody predicts"),
        (DROPOUT_END, ",,,false,course 7", "bad_context", "no id"),
    ],
    "role_capabilities.csv": [
        ("*,teacher,", "*,wizard,", "unknown_role", "nobody"),
        ("listown", "listall", "unknown_capability", "nobody"),
        ("*,teacher,", "*,editingteacher,", "duplicate_row", "which of the two holds"),
    ],
    "analytics_settings.csv": [
        ("*,onlycli", "*,onlycly", "unknown_setting", "typo"),
        (",sklearn", ",\\mlbackend_php", "bad_value", "absent"),
        (",standard", ",database", "bad_value", "no such store"),
        ("analytics,1", "analytics,on", "bad_value", "switch"),
        ("lifetime,35", "lifetime,36", "bad_value", "no choice"),
        ("limit,1200", "limit,", "out_of_range", "no limit"),
        ("port,", "port,70000", "out_of_range", "no port"),
        ("*,levelinstitution,", "*,levelinstitution,isced9", "bad_value", "no level"),
        ("password,", "password,pw", "secret_in_seed", "in git"),
        ("*,port", "*,host", "duplicate_row", "which of them"),
        (
            "quarters_accum quarters",
            "quarters_accum halves",
            "unknown_interval",
            "evaluated by nothing",
        ),
        (
            "quarters_accum quarters",
            "upcoming_week quarters",
            "interval_not_for_evaluation",
            "the future cannot be evaluated",
        ),
    ],
}


def test_the_repositorys_own_seeds_are_right() -> None:
    # else neither `make demo` nor any other test of the product would run
    assert check(ROOT / "seeds") == []


@pytest.mark.parametrize(
    ("file", "old", "new", "rule", "breaks"),
    [(file, *case) for file, cases in WRONG_CELLS.items() for case in cases],
)
def test_a_wrong_cell_is_told_by_file_row_and_rule(
    replace, file, old, new, rule, breaks
) -> None:
    row = one_line(file, old.strip("\n"))

    problems = replace(file, old, new)

    told = [(p.file, p.row, p.rule) for p in problems]
    assert (file, row, rule) in told, breaks
    assert all(p.message and p.message == p.message.strip() for p in problems)


@pytest.mark.parametrize("zero", ["", "*,unsatisfactory,0.5"])
def test_bands_without_a_lowest_bound_would_leave_low_scores_without_one(
    replace, zero
) -> None:
    problems = replace("score_bands.csv", "*,unsatisfactory,0", zero)
    assert [p.rule for p in problems] == ["missing_zero_bound"]


def test_a_wrong_bound_is_not_told_as_a_missing_one_too(replace) -> None:
    problems = replace("score_bands.csv", "*,unsatisfactory,0", "*,unsatisfactory,O")
    assert [(p.row, p.rule) for p in problems] == [(5, "bad_number")]


def test_a_district_without_bands_and_no_defaults_would_have_no_performance(
    seeds,
) -> None:
    path = seeds / "score_bands.csv"
    kept = [x for x in path.read_text().splitlines() if not x.startswith("*")]
    path.write_text("\n".join(kept) + "\n")
    problems = check(seeds)
    # lakeview has its own bands
    assert [(p.file, p.row, p.rule) for p in problems] == [
        ("districts.csv", 2, "missing_bands"),
        ("districts.csv", 3, "missing_bands"),
    ]


def test_role_assignments_are_checked_like_the_others(seeds) -> None:
    with (seeds / "role_assignments.csv").open("a", encoding="utf-8") as file:
        file.write("lakeview,0007,teacher,21\n")
        file.write("lakeview,0007,teacher,x\n")
        file.write("lakeview,,teacher,\n")
        file.write(f"lakeview,{'9' * 65},manager,\n")
        file.write("atlantis,0007,poet,\n")
        file.write("atlantis,0007,manager,\n")
    assert [(p.row, p.rule) for p in check(seeds)] == [
        (3, "bad_number"),
        (4, "missing_value"),
        (5, "bad_text"),
        (6, "unknown_role"),
        (7, "unknown_district"),
    ]


def test_no_problem_quotes_a_users_id(seeds) -> None:
    path = seeds / "role_assignments.csv"
    header = path.read_text(encoding="utf-8").splitlines()[0]
    rows = ["lakeview,jane,manager,", "lakeview,jane,manager,", "lakeview, jane,x,"]
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    problems = check(seeds)
    assert {problem.rule for problem in problems} >= {"duplicate_row", "bad_text"}
    assert not [problem for problem in problems if "jane" in str(problem)]


def test_all_problems_of_all_seeds_are_told_at_once(seeds) -> None:
    # an operator who is told one mistake a night needs a week
    for file in ("districts.csv", "district_apps.csv", "score_bands.csv"):
        path = seeds / file
        path.write_text(path.read_text().replace("lakeview,", "LAKE,"))
    problems = check(seeds)
    assert {p.file for p in problems} == {
        "districts.csv",
        "district_apps.csv",
        "score_bands.csv",
    }
    assert len(problems) == 1 + 13 + 5
    with pytest.raises(RefusedError) as refused:
        load(seeds)
    assert len(str(refused.value).splitlines()) == len(problems)


def test_two_mistakes_in_one_row_are_both_told(replace) -> None:
    wrong = lakeview("latest", "newest").replace("true", "1")
    problems = replace("districts.csv", LAKEVIEW, wrong)
    assert [p.rule for p in problems] == ["bad_value", "bad_boolean"]
