"""Learning analytics on one machine and on the cluster: the same tables."""

from __future__ import annotations

import csv

from spark_cluster import BUILT, differences

from tests.insights import campus
from tests.insights.site import build
from tests.insights.test_site import busy_site
from trackline.settings import ROOT

OTHERS = ("tag:most_used", "tag:recommendations")
NIGHTS = ("2025-03-01", "2025-03-08")


def deliver_sites(project) -> None:
    """Deliver the two hand-written sites, each with models of its own."""
    own = [{**row, "district_id": "north"} for row in campus.models()]
    with (ROOT / "seeds" / "prediction_models.csv").open() as stream:
        shipped = [
            {
                **row,
                "district_id": "south",
                "analysis_interval": row["analysis_interval"] or "quarters",
                "enabled": "true",
            }
            for row in csv.DictReader(stream)
        ]
    project.write_seed("prediction_models", [*own, *shipped])
    campus.Campus().deliver(project)
    busy_site().deliver(project, district="south")
    configure(project, NIGHTS[0])


def configure(project, as_of: str) -> None:
    """Set the day of both districts; a seed names a manager of both."""
    project.configure(
        [
            {
                "district_id": "north",
                "as_of": as_of,
                "instruction_mode": "facetoface fullyonline",
            },
            {"district_id": "south", "as_of": as_of, "time_zone": "America/New_York"},
        ]
    )
    manager = {"district_id": "*", "user_id": "204", "role": "manager"}
    project.write_seed("role_assignments", [manager])


def test_two_nights_of_two_sites(project, cluster, monkeypatch):
    # the samples of a model are shared among tasks
    monkeypatch.setattr("trackline.cluster.learning.BATCH_ROWS", 10)
    deliver_sites(project)
    for as_of in NIGHTS:
        configure(project, as_of)
        build(project)
        cluster.build(project, *BUILT, "--exclude", *OTHERS)
        assert differences(project, cluster) == [], as_of
    for table in ("int_predictions", "rpt_insights", "rpt_insight_recipients"):
        assert len(cluster.rows(f"select * from main.{table}")) > 10, table
    trained = "select * from main.int_used_samples where purpose = 'train'"
    assert {row["district_id"] for row in cluster.rows(trained)} == {"north", "south"}


def test_no_files_and_no_site(project, cluster):
    """Every table is there, and empty."""
    select = ("--select", "resource_type:seed", "+path:models/insights")
    cluster.build(project, *select, *BUILT)
    for table in (
        "int_used_samples", "int_trainings", "int_prediction_runs", "rpt_predictions",
        "rpt_insight_recipients", "rpt_model_evaluations", "rpt_analytics_sites",
    ):  # fmt: skip
        assert cluster.rows(f"select * from main.{table}") == [], table
