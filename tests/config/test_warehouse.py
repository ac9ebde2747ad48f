"""The seeds in the warehouse: as text, unchanged, and with a config test for each."""

from __future__ import annotations

import csv

import pytest

from trackline.config.rows import SEEDS

# a guess of the quote would take the single quotes of both away
NAMES = ["'a b'", "'tis", 'say "hi", ok', "null", "NaN", "007", "{{ 1 + 1 }}", "مكتبة"]


def warnings(project, *selected: str) -> dict[str, int]:
    """Run config tests; return those that warn with the number of rows they found."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    arguments = ["--quiet", "--no-write-json", "test", "--select", *selected]
    result = dbtRunner().invoke(arguments)
    DuckDBConnectionManager.close_all_connections()
    assert result.exception is None, result.exception
    found = [node for node in result.result.results if node.node.name in selected]
    assert len(found) == len(selected), [node.node.name for node in found]
    return {node.node.name: node.failures for node in found if node.status == "warn"}


def test_every_seed_arrives_as_the_text_that_it_is(project) -> None:
    # an id that loses its zeros or its quotes matches no row that is delivered
    project.configure(
        [{"district_id": "north", "nces_lea_id": "0012345"}], apps={"north": NAMES}
    )
    # lines that one program wrote and another appended
    for path in project.seeds.iterdir():
        first, *lines = path.read_bytes().splitlines()
        ends = [b"\r\n", b"\n"] * len(lines)
        rest = b"".join(map(bytes.__add__, lines, ends))
        path.write_bytes(first + b"\n" + rest)
    before = {path.name: path.read_bytes() for path in project.seeds.iterdir()}

    assert project.dbt("seed").success
    assert project.dbt("seed").success

    assert {p.name: p.read_bytes() for p in project.seeds.iterdir()} == before
    for seed in SEEDS:
        with (project.seeds / seed.FILE).open(encoding="utf-8", newline="") as file:
            written = list(csv.DictReader(file))
        columns = ", ".join(f'"{column}"' for column in seed.columns())
        read = project.rows(f"select {columns} from {seed.FILE[:-4]}")
        assert sorted(map(str, read)) == sorted(
            str(tuple(row[column] or None for column in seed.columns()))
            for row in written
        )


def test_wrong_seeds_are_refused_before_any_table_changes(project) -> None:
    assert project.dbt("seed").success
    project.configure([{"district_id": "north", "time_zone": "Mars/Olympus"}])
    project.write_seed("role_capabilities", [])

    outcome = project.dbt("build")

    assert not outcome.success
    assert "districts.csv, row 2: unknown_time_zone" in str(outcome)
    assert project.rows("select time_zone from districts") == [("UTC",)]
    assert project.rows("select count(*) from role_capabilities") == [(5,)]


@pytest.fixture
def troubled(project):
    """Configure what is right by the rules and wrong by the data."""
    project.configure(
        [{"district_id": "north"}, {"district_id": "silent", "nces_lea_id": "12345"}],
        bands=[("*", "good", "0.7"), ("*", "bad", "0")],
    )
    project.deliver(
        "north/app_usage/a.csv",
        [
            {
                "student_id": "1",
                "app_id": app,
                "usage_date": day,
                "usage_minutes": "10",
            }
            # gamma is never used, beta not for 60 days
            for app, day in (
                ("alpha", "2025-02-28"),
                ("beta", "2024-12-29"),
            )
        ],
    )
    project.deliver(
        "north/scores/a.csv",
        [
            {
                "student_id": str(student),
                "measure": "assessment",
                "score": "80",
                "measured_on": "2025-02-01",
            }
            for student in range(50)
        ],
    )
    return project


def test_the_config_tests_find_what_only_the_warehouse_shows(troubled) -> None:
    troubled.build()
    found = warnings(
        troubled, "config_districts", "config_district_apps", "config_score_bands"
    )
    assert found == {
        "config_districts": 1,  # silent
        "config_district_apps": 2,  # beta and gamma; silent's are its own finding
        "config_score_bands": 1,  # nobody is 'bad' where 0.7 of 100 is 'good'
    }


def test_the_config_tests_are_quiet_where_all_is_well(project) -> None:
    project.configure([{"district_id": "north", "nces_lea_id": "0012345"}])
    project.deliver(
        "north/app_usage/a.csv",
        [
            {
                "student_id": "1",
                "app_id": app,
                "usage_date": "2025-02-28",
                "usage_minutes": "10",
            }
            for app in ("alpha", "beta", "gamma")
        ],
    )
    project.build()
    assert warnings(project, *(f"config_{seed.FILE[:-4]}" for seed in SEEDS)) == {}


def test_the_config_tests_of_learning_analytics_find_what_reaches_nobody(
    project,
) -> None:
    thirds = {
        "district_id": "north",
        "analysis_interval": "thirds",
        "label": "Thirds",
        "kind": "parts",
        "parts": "3",
    }
    with (project.seeds / "analysis_intervals.csv").open() as file:
        intervals = list(csv.DictReader(file))
    project.write_seed(
        "analysis_intervals",
        [
            *intervals,
            thirds,
        ],
    )
    project.write_seed(
        "prediction_models",
        [
            {
                "district_id": "north",
                "model_id": "dropout",
                "target": "course_dropout",
                "indicators": "read_actions",
                "analysis_interval": "quarters",
                "enabled": "true",
            }
        ],
    )
    project.write_seed(
        "role_capabilities",
        [{"district_id": "*", "role": "user", "capability": "listowninsights"}],
    )
    project.write_seed(
        "role_assignments",
        [{"district_id": "north", "user_id": "7", "role": "teacher"}],
    )
    project.write_seed(
        "analytics_settings",
        [
            {"district_id": "*", "name": "enableanalytics", "value": "0"},
            {"district_id": "*", "name": "host", "value": "example.org"},
            {"district_id": "north", "name": "predictionsprocessor", "value": "server"},
        ],
    )
    assert project.dbt("seed").success
    found = warnings(
        project,
        "config_analysis_intervals",
        "config_prediction_models",
        "config_role_capabilities",
        "config_role_assignments",
        "config_analytics_settings",
    )
    assert found == {
        "config_analysis_intervals": 1,  # thirds
        "config_prediction_models": 1,  # dropout, while analytics is off
        "config_role_capabilities": 2,  # managemodels and listinsights
        "config_role_assignments": 1,  # a teacher may do nothing here
        "config_analytics_settings": 1,  # a server without a port
    }


def test_a_server_is_named_by_the_rows_of_every_site_and_of_its_own(project) -> None:
    project.configure([{"district_id": "north"}, {"district_id": "south"}])
    project.write_seed(
        "analytics_settings",
        [
            {"district_id": "*", "name": "host", "value": "example.org"},
            {"district_id": "north", "name": "port", "value": "5000"},
            {"district_id": "north", "name": "predictionsprocessor", "value": "server"},
        ],
    )
    assert project.dbt("seed").success
    assert warnings(project, "config_analytics_settings") == {}
    with (project.seeds / "prediction_models.csv").open() as file:
        models = [row for row in csv.DictReader(file) if row["enabled"] == "true"]
    models[0]["predictions_processor"] = "server"
    project.write_seed("prediction_models", models)
    assert project.dbt("seed").success
    # south has no port
    assert warnings(project, "config_analytics_settings") == {
        "config_analytics_settings": 1
    }
