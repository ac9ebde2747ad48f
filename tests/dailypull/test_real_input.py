"""Real deliveries: Open University logs as two districts, LearnPlatform's products.

Expected figures are facts of the data set (clicks, users, rankings of the whole
modules), not what Trackline once printed.
"""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path

import duckdb
import pytest

OULAD = {
    "time_zone": "Europe/London",
    "school_year_start": "08-01",
    "as_of": "2015-06-30",
    "score_basis": "mean",
}
DELIVERED = "2015-07-01T04:00:00"
ACTIVITIES = (
    "oucontent", "forumng", "homepage", "quiz", "subpage", "resource", "url",
    "glossary", "dataplus", "oucollaborate",
)  # fmt: skip


@pytest.fixture(scope="module")
def oulad(tmp_path_factory: pytest.TempPathFactory, fixtures: Path) -> Path:
    """The two modules as landing files: minutes are clicks / 8."""
    folder = tmp_path_factory.mktemp("oulad")
    con = duckdb.connect()
    for name in ("studentVle", "vle", "studentAssessment", "assessments"):
        con.execute(f"create view {name} as from '{fixtures}/oulad/{name}.parquet'")
    start = """
        make_date(left(code_presentation, 4)::int,
            case right(code_presentation, 1) when 'J' then 10 else 2 end, 1)"""
    for module in ("AAA", "GGG"):
        district = module.lower()
        (folder / district).mkdir()
        con.execute(f"""copy (
            select id_student as student_id, activity_type as app_id,
                {start} + date as usage_date, sum(sum_click) / 8 as usage_minutes
            from studentVle join vle using (id_site, code_module, code_presentation)
            where code_module = '{module}' group by all
        ) to '{folder}/{district}/usage.parquet'""")
        con.execute(f"""copy (
            select id_student as student_id, 'assessment' as measure, score,
                {start} + date_submitted as measured_on, id_assessment as assessment_id
            from studentAssessment join assessments using (id_assessment)
            where code_module = '{module}' and score is not null
        ) to '{folder}/{district}/scores.csv'""")
    con.close()
    return folder


def test_open_university(project, oulad, fixtures):
    project.configure(
        [{**OULAD, "district_id": district} for district in ("aaa", "ggg")],
        apps={"aaa": ACTIVITIES, "ggg": ACTIVITIES},
    )
    for district in ("aaa", "ggg"):
        for name, table in (("usage.parquet", "app_usage"), ("scores.csv", "scores")):
            content = (oulad / district / name).read_bytes()
            project.deliver(f"{district}/{table}/{name}", content, DELIVERED)
    project.build()

    assert project.rows("select sum(rows_rejected) from dq_files") == [(0,)]
    # facts O6: clicks and users of a module, whatever the year
    assert project.rows(
        "select district_id, (sum(usage_minutes) * 8)::bigint,"
        " count(distinct student_id) from fct_daily_usage group by 1 order by 1"
    ) == [("aaa", 1246652, 702), ("ggg", 1333884, 2359)]
    # facts O8: the five most clicked activity types
    top = project.rows("""
        select district_id, app_id, (sum(usage_minutes) * 8)::bigint as clicks,
            count(distinct student_id)
        from fct_daily_usage group by 1, 2 order by 1, 3 desc""")
    assert [row[1:] for row in top if row[0] == "aaa"][:5] == [
        ("oucontent", 523394, 701),
        ("forumng", 337103, 692),
        ("homepage", 266720, 702),
        ("subpage", 71582, 701),
        ("url", 28377, 654),
    ]
    assert [row[1:] for row in top if row[0] == "ggg"][:5] == [
        ("oucontent", 477373, 2271),
        ("homepage", 283454, 2357),
        ("forumng", 239282, 1890),
        ("quiz", 200337, 1986),
        ("resource", 72615, 2315),
    ]

    dims = {
        (row[0], row[1]): row[2:]
        for row in project.rows(
            "select district_id, student_id, type, score, performance from dim_students"
        )
    }
    expected = plain_bands(oulad)
    assert {key: (1, *value) for key, value in expected.items()} == {
        key: value for key, value in dims.items() if value[0] is not None
    }
    # the frame is the students by the applications, minutes of the school year
    for district in ("aaa", "ggg"):
        frame = project.rows(
            f"select {' + '.join(f'sum({app})' for app in ACTIVITIES)}, count(*)"
            f" from frames.district_{district}"
        )
        facts = project.rows(
            "select sum(usage_minutes) from fct_daily_usage where district_id = ?"
            " and usage_date >= '2014-08-01'",
            [district],
        )
        assert frame[0][0] == facts[0][0]
        assert frame[0][1] == sum(key[0] == district for key in dims)


def plain_bands(folder: Path) -> dict[tuple[str, str], tuple]:
    """Mean and band per student of the school year 2014-15, in exact arithmetic."""
    from decimal import ROUND_HALF_UP, Decimal

    bands = {}
    for district in ("aaa", "ggg"):
        scores: dict[str, list[Fraction]] = {}
        with (folder / district / "scores.csv").open(newline="") as stream:
            for row in csv.DictReader(stream):
                if "2014-08-01" <= row["measured_on"] <= "2015-06-30":
                    scores.setdefault(row["student_id"], []).append(
                        Fraction(row["score"])
                    )
        for student, values in scores.items():
            mean = sum(values) / len(values)
            score = (Decimal(mean.numerator) / Decimal(mean.denominator)).quantize(
                Decimal("0.000001"), ROUND_HALF_UP
            )
            band = (
                "excellent" if mean >= 88
                else "satisfactory" if mean >= 69
                else "needs improvement" if mean >= 55
                else "unsatisfactory"
            )  # fmt: skip
            bands[(district, student)] = (score, band)
    return bands


def test_learnplatform_products_make_a_wide_frame(project, fixtures):
    """Thousands of product ids as columns, names with every character, text NaN."""
    con = duckdb.connect()
    products = con.execute(
        "select distinct lp_id::varchar from read_parquet(?) where lp_id is not null"
        " order by 1",
        [f"{fixtures}/learnplatform/engagement.parquet"],
    ).fetchall()
    names = dict(
        con.execute(
            'select "LP ID"::varchar, "Product Name" from read_parquet(?)',
            [f"{fixtures}/learnplatform/products_info.parquet"],
        ).fetchall()
    )
    assert len(products) > 6000
    project.configure([{"district_id": "lp", "as_of": "2020-12-31"}], apps={"lp": []})
    project.write_seed(
        "district_apps",
        [
            {"district_id": "lp", "app_id": app, "app_name": names.get(app, "NaN")}
            for (app,) in products
        ],
    )
    con.execute(
        """copy (
            select 'class-' || district_id as student_id, lp_id as app_id,
                date as usage_date,
                case when isnan(engagement_index) then 'NaN'
                    else least(engagement_index, 1440)::varchar end as usage_minutes
            from read_parquet($source)
            where lp_id is not null and month(date) >= 11 and district_id in (
                select district_id from read_parquet($source)
                group by 1 order by 1 limit 3)
        ) to '%s' (header)""" % (project.root / "engagement.csv"),
        {"source": f"{fixtures}/learnplatform/engagement.parquet"},
    )  # fmt: skip
    content = (project.root / "engagement.csv").read_bytes()
    project.deliver("lp/app_usage/engagement.csv", content, "2021-01-01T06:00:00")
    project.build()
    lines = content.decode().splitlines()[1:]
    # a missing index is the text NaN, or nothing at all
    not_a_number = sum(line.endswith(",NaN") for line in lines)
    missing = sum(line.endswith(",") for line in lines)
    assert dict(
        project.rows("select rule, count(*) from dq_rejected_rows group by 1")
    ) == {
        rule: count
        for rule, count in (("bad_number", not_a_number), ("missing_value", missing))
        if count
    }
    frame = project.rows("select * from frames.district_lp order by student_id")
    assert len(frame) > 1
    assert len(frame[0]) == 5 + len(products)
    assert [sum(row[5:]) for row in frame] == [
        row[0]
        for row in project.rows(
            "select sum(usage_minutes) from fct_daily_usage group by student_id"
            " order by student_id"
        )
    ]
