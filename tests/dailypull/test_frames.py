"""The view per district: made where the selection has changed, and only there."""

from __future__ import annotations

import duckdb

USE = "student_id,app_id,usage_date,usage_minutes\n1,alpha,2025-02-03,5\n"
ONLY = ("--exclude-resource-type", "test", "unit_test")


def comments(project):
    return dict(
        project.rows(
            "select view_name, comment from duckdb_views() where schema_name = 'frames'"
        )
    )


def test_a_frame_is_made_anew_only_where_the_selection_has_changed(project):
    names = ("north", "south", "gone")
    districts = [{"district_id": name} for name in names]
    project.configure(districts, {name: ["alpha"] for name in names})
    for name in names:
        project.deliver(f"{name}/app_usage/1.csv", USE + "1,beta,2025-02-03,7\n")
    project.build(*ONLY)
    before = comments(project)
    assert set(before) == {f"district_{name}" for name in names}

    project.configure(districts[:2], {"north": ["alpha"], "south": ["beta", "alpha"]})
    project.deliver("north/app_usage/2.csv", USE.replace(",5", ",6"))
    project.build(*ONLY)
    after = comments(project)
    assert set(after) == {"district_north", "district_south"}
    assert after["district_north"] == before["district_north"]
    assert after["district_south"] != before["district_south"]
    assert project.rows("select alpha::int from frames.district_north") == [(6,)]
    columns = "select beta::int, alpha::int from frames.district_south"
    assert project.rows(columns) == [(7, 5)]

    # a view that says that it fits is left alone; one that says nothing is made
    with duckdb.connect(str(project.warehouse)) as con:
        for name in after:
            con.execute(
                f"create or replace view frames.{name} as select 'mark' as mark"
            )
        told = after["district_north"]
        con.execute(f"comment on view frames.district_north is '{told}'")
    project.build(*ONLY)
    assert project.rows("from frames.district_north") == [("mark",)]
    assert project.rows(columns) == [(7, 5)]
