"""Real use in three nights, late and corrected rows too: the same tables."""

from __future__ import annotations

import open_university
import pytest
from spark_cluster import BUILT, differences

LATE = "md5(student_id || day)[:1] = '0'"
CORRECTED = "day between date '2014-05-01' and date '2014-05-31'"


@pytest.mark.long
def test_three_nights_of_the_open_university(project, cluster, fixtures):
    open_university.configure(project)
    nights = {
        "2014-02-28": [("2014-03-01", f"day <= date '2014-02-28' and not {LATE}", "")],
        "2014-10-31": [
            ("2014-11-01", "day between date '2014-03-01' and '2014-10-31'", "")
        ],
        "2015-06-30": [
            ("2015-06-29", f"day <= date '2014-02-28' and {LATE}", ""),
            ("2015-06-30", CORRECTED, " + 1"),
            ("2015-07-01", "day > date '2014-10-31'", ""),
        ],
    }
    before = cluster.tasks_by_executor()
    for number, (as_of, deliveries) in enumerate(nights.items(), start=1):
        for day, days, more in deliveries:
            at = f"{day}T04:00:00"
            open_university.deliver(project, fixtures, at, days, f"clicks / 8{more}")
        project.monkeypatch.setenv("TRACKLINE_AS_OF", as_of)
        project.build(*BUILT)
        cluster.build(project, *BUILT)
        assert differences(project, cluster) == [], f"after night {number}"

    assert project.rows("select count(*) > 5000 from rpt_recommendations") == [(True,)]
    assert len(cluster.tasks_by_executor() - before) == 2, "both workers are used"
