"""Training, predicting and cleaning up as jobs of their own, on a real site."""

from __future__ import annotations

import duckdb
import pandas as pd

from orchestration import processes
from tests.insights.test_site import busy_site, enable
from trackline import insights
from trackline.insights.store import PREDICTIONS, Store


def test_train_predict_and_clean_up(definitions, project):
    site = busy_site()
    site.deliver(project)
    enable(project)
    project.pull()

    def run(name: str) -> None:
        assert definitions.resolve_job_def(name).execute_in_process().success

    def has(table: str) -> bool:
        return bool(project.rows("from duckdb_tables() where table_name = ?", [table]))

    # courses 10 and 11 have ended: 8 students each in 4 quarters
    run("train_models")
    assert project.rows("select samples, status from int_trainings") == [(64, 0)]
    assert not has("int_prediction_runs")

    classifier = project.models / "insights/north/course_dropout/1/execution"
    learned = {p: p.read_bytes() for p in classifier.rglob("*") if p.is_file()}
    assert learned

    # the 8 students of course 20, of which 21 has no end; nothing is learned again
    run("predict_models")
    assert project.rows(
        "select samples, status from int_prediction_runs where model_id ="
        " 'course_dropout'"
    ) == [(8, 0)]
    assert {p: p.read_bytes() for p in classifier.rglob("*") if p.is_file()} == learned
    told = "select count(*) from rpt_insight_recipients"
    assert project.rows(told)[0][0] > 0

    # course 21 is deleted: its 7 predictions of each static model of enrolments go
    with duckdb.connect(str(project.warehouse)) as con:
        con.execute(
            "delete from int_moodle_records where id in (21, 1021) and table_name in"
            " ('moodle/course', 'moodle/context')"
        )
    before = Store().all_rows("predictions", PREDICTIONS).to_pandas()
    run("cleanup")
    after = Store().all_rows("predictions", PREDICTIONS).to_pandas()
    assert (before.course_id == 21).sum() == 14
    assert (after.course_id == 21).sum() == 0
    assert len(after) == len(before) - 14


def test_a_held_warehouse_is_tried_again(definitions, monkeypatch):
    answers = [
        duckdb.IOException("Could not set lock on file w: held in python (PID 7)"),
        pd.DataFrame(),
    ]

    def clean_up():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(insights, "clean_up", clean_up)
    monkeypatch.setattr(processes, "retry_seconds", lambda attempt: 0)
    done = definitions.resolve_job_def("cleanup").execute_in_process()
    assert done.success
    assert answers == []
