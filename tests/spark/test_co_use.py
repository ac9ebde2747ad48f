"""Co-use of all districts: the cluster counts what one machine counts."""

from __future__ import annotations

import duckdb
import pandas as pd
import pytest

from trackline.recommender.build import co_use

USES = pd.DataFrame(
    [
        (district, f"{student}", f"app{app}", "high", "2026-01-05")
        for district, students in (("north", 12), ("south", 5))
        for student in range(students)
        for app in range(1 + student % 4)
    ],
    columns=["district_id", "student_id", "app_id", "band", "first_used_on"],
)


@pytest.mark.parametrize("pool_below", [5, 6], ids=["nobody borrows", "south borrows"])
def test_pairs_where_somebody_borrows(running_cluster, pool_below):
    from trackline.cluster import recommending  # needs pyspark

    con = duckdb.connect()
    con.execute("create table uses as from USES")
    here = co_use(con, con.table("uses"), pool_below).fetchall()
    there = recommending.co_use(
        running_cluster.session,
        running_cluster.session.createDataFrame(USES),
        pool_below,
    ).collect()
    assert sorted(map(tuple, there)) == sorted(here)
    assert any(one != other for one, other, *_ in here) == (pool_below == 6)
