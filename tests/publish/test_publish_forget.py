"""A forgotten student is in no published byte, and publishing goes on."""

from __future__ import annotations

import pytest
from publish_warehouse import read_json
from publish_workers import read_publication, set_generation

from trackline import forgetting
from trackline.publish import forget_published_student, publish
from trackline.settings import RefusedError

STUDENT = "=03of-aaa"


def bytes_naming(folder, student: str) -> list[str]:
    import duckdb

    named = []
    for file in folder.rglob("*"):
        text = file.read_bytes().decode("latin-1") if file.is_file() else ""
        if file.suffix == ".parquet":
            text += str(duckdb.read_parquet(str(file)).fetchall())
        if student in text:
            named.append(file.name)
    return named


@pytest.fixture
def published(settings, warehouse):
    for generation in range(3):
        set_generation(warehouse, generation)
        publish(settings)
    return settings.serve / "aaa"


def test_no_version_names_the_student_any_longer(settings, warehouse, published):
    assert bytes_naming(published, STUDENT), "the student must have been published"
    before = read_json(published / "current.json")
    assert forget_published_student(settings, "aaa", STUDENT)
    assert bytes_naming(published, STUDENT) == []
    after = read_json(published / "current.json")
    assert read_publication(published) == 2
    assert len(list(published.glob("*.duckdb"))) == 1
    lost = {t: n - after["row_counts"][t] for t, n in before["row_counts"].items()}
    assert {table: n for table, n in lost.items() if n} == {
        "dim_students": 1,
        "frame": 1,
        "rpt_most_used_by_student": 3,
        "rpt_recommendations": 1,
    }
    assert forget_published_student(settings, "aaa", STUDENT) is False


def test_the_next_build_without_the_student_agrees(settings, warehouse, published):
    forget_published_student(settings, "aaa", STUDENT)
    for table in ("dim_students", "rpt_most_used_by_student", "rpt_recommendations"):
        warehouse.execute(f"delete from {table} where student_id = ?", [STUDENT])
    [outcome] = publish(settings, districts=["aaa"]).outcomes
    assert outcome.state == "unchanged"


def test_other_districts_and_students_stay(settings, warehouse, published):
    before = (settings.serve / "bbb" / "current.json").read_bytes()
    forget_published_student(settings, "aaa", STUDENT)
    assert (settings.serve / "bbb" / "current.json").read_bytes() == before
    assert bytes_naming(published, "=04of-aaa")
    assert forget_published_student(settings, "never_published", STUDENT) is False


def test_a_build_that_fails_keeps_nobody_published(
    settings, warehouse, published, monkeypatch
):
    def dbt(command, *_):
        if command == "build":
            raise RefusedError("dbt build failed")

    monkeypatch.setattr(forgetting, "_dbt", dbt)
    monkeypatch.setattr(forgetting, "_is_known", lambda *_: True)
    monkeypatch.setattr(forgetting, "forget_user", lambda *_: None)
    with pytest.raises(RefusedError, match="dbt build failed"):
        forgetting.forget(settings, "aaa", STUDENT)
    assert bytes_naming(published, STUDENT) == []
