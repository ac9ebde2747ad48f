"""What the spark target refuses, and what it makes of the models' text."""

from __future__ import annotations

import subprocess
import sys

import pytest
from spark_cluster import BUILT

from trackline.cluster import processes
from trackline.settings import ROOT, RefusedError


def dbt(project, *arguments: str) -> subprocess.CompletedProcess[str]:
    # a process of its own: this one may have a session open
    return subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", "--no-use-colors", *arguments],
        cwd=ROOT / "dbt_project",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("remote", [None, "", "local[2]"])
def test_without_a_connect_server_no_spark_is_started(project, remote):
    if remote is None:
        project.monkeypatch.delenv("TRACKLINE_SPARK_REMOTE", raising=False)
    else:
        project.monkeypatch.setenv("TRACKLINE_SPARK_REMOTE", remote)
    refused = dbt(project, "seed", "--target", "spark", "--select", "districts")
    assert refused.returncode != 0
    assert "TRACKLINE_SPARK_REMOTE" in refused.stdout
    assert not (ROOT / "dbt_project" / "metastore_db").exists()


def test_without_java_one_sentence(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(RefusedError, match="needs Java 17") as refused:
        processes.require_java()
    assert "\n" not in str(refused.value)


def test_spelling():
    from trackline.cluster.dialect import for_spark

    assert for_spark("select a, b,\nfrom t") == "select a, b\nfrom t"
    assert for_spark("select a, -- why,\n from t") == "select a -- why,\n from t"
    assert for_spark("with x as (select 1 as a,) select a from x") == (
        "with x as (select 1 as a) select a from x"
    )
    assert for_spark("cast(a as varchar), b varchar(3)") == (
        "cast(a as string), b varchar(3)"
    )
    # what stands in quotes is not ours
    for kept in ("'it''s, from varchar'", '"a, from"', "`varchar`", "-- varchar, from"):
        assert for_spark(f"select {kept}\n") == f"select {kept}\n"
    assert for_spark(r"select '\mod_assign'") == r"select r'\mod_assign'"


def test_a_python_model_that_fails_fails_loudly(cluster, project):
    """A model that cannot be submitted must not count as built."""
    project.deliver(
        "north/app_usage/a.csv",
        [{"student_id": "1", "app_id": "alpha", "usage_date": "2025-02-01",
          "usage_minutes": "5"}],
    )  # fmt: skip
    cluster.build(project, "--select", "districts", *BUILT)
    with project.monkeypatch.context() as patch:
        patch.setattr("trackline.landing.new_files", lambda *_: 1 / 0, raising=True)
        outcome = cluster.dbt(project, "--select", "stg_landing__files", *BUILT)
    assert not outcome.success
    assert "division by zero" in str(outcome)


def test_a_wrong_seed_refuses_the_build(cluster, project):
    project.configure([{"district_id": "North!"}])
    outcome = cluster.dbt(project, "--select", "districts", *BUILT)
    assert not outcome.success
    assert "districts.csv" in str(outcome)
    tables = cluster.rows("show tables in main")
    assert [row["tableName"] for row in tables if not row["isTemporary"]] == []
