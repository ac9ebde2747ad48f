"""The hold rule: its edges, and what an approval releases."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from publish_warehouse import read_json

from trackline.publish import publish
from trackline.publish.holds import rejected_rows, usage_drop
from trackline.settings import RefusedError

NEWEST = date(2026, 3, 30)


def state(report, district: str = "aaa") -> str:
    [outcome] = [o for o in report.outcomes if o.district_id == district]
    return outcome.state


@pytest.mark.parametrize(
    ("read", "rejected", "limit", "held"),
    [
        (100, 5, "5", False),  # exactly the limit is not more than it
        (100, 6, "5", True),
        (10_000, 501, "5", True),
        (1000, 55, "5.5", False),
        (3, 1, "33.3333", True),  # no rounding of the percentage
        (0, 0, "0", False),  # nothing read
        (100, 0, "0", False),
        (1_000_000, 1, "0", True),
        (1, 1, "100", False),  # an unreadable file: one read, one rejected
        (1, 1, "5", True),
    ],
)
def test_rejected_rows_edges(read, rejected, limit, held):
    assert bool(rejected_rows(read, rejected, Decimal(limit))) is held


def test_a_district_whose_newest_day_is_the_first_of_all_days_is_not_held():
    """One source's empty date must not end the publication of every district."""
    for newest in (date.min, date.min + timedelta(weeks=2)):
        assert usage_drop({newest: 1}, date.max, Decimal(50)) is None


def test_what_people_read_has_no_idle_zeros():
    text = rejected_rows(292, 137, Decimal("5.000000"))["text"]
    assert text.endswith("were rejected, more than 5 %")
    drop = usage_drop(mondays(10, 100, 100, 100), NEWEST, Decimal("50.000000"))
    assert "10 usage rows, 50 % or more below the 100 that" in drop["text"]


def mondays(*rows: int) -> dict[date, int]:
    """Rows on the newest Monday, then on those before it; 0 is a day without."""
    days = {NEWEST - timedelta(weeks=week): n for week, n in enumerate(rows)}
    return {day: n for day, n in days.items() if n}


@pytest.mark.parametrize(
    ("rows", "limit", "held"),
    [
        ((50, 100, 100, 100, 100), "50", True),  # exactly 50 % fewer
        ((51, 100, 100, 100, 100), "50", False),
        ((49, 100, 100, 100, 0), "50", True),  # three such days are enough
        ((1, 100, 100, 0, 0), "50", False),  # two are not
        ((1, 100, 0, 0, 0, 100, 100), "50", False),  # the fifth week does not count
        ((52, 90, 100, 110, 120), "50", True),  # the median of four is 105
        ((53, 90, 100, 110, 120), "50", False),
        ((50, 1, 100, 100, 10_000), "50", True),  # a median, not a mean
        ((1, 1000, 1000, 1000, 1000), "100", False),  # 100 is off
        ((100, 100, 100, 100, 100), "0", False),  # as many is not fewer
        ((99, 100, 100, 100, 100), "0", True),
        ((200, 100, 100, 100, 100), "50", False),
    ],
)
def test_usage_drop_edges(rows, limit, held):
    assert bool(usage_drop(mondays(*rows), NEWEST, Decimal(limit))) is held


def test_usage_drop_compares_the_same_weekday_only():
    """A Sunday is quiet; the Mondays before it say nothing about it."""
    days = mondays(100, 100, 100, 100, 100)
    sunday = NEWEST + timedelta(days=6)
    assert usage_drop(days | {sunday: 1}, sunday, Decimal(50)) is None


def test_usage_drop_does_not_judge_days_after_as_of():
    days = mondays(1, 100, 100, 100, 100)
    assert usage_drop(days, NEWEST, Decimal(50))
    assert usage_drop(days, NEWEST - timedelta(days=1), Decimal(50)) is None
    assert usage_drop({}, NEWEST, Decimal(50)) is None


def test_a_first_publication_counts_from_the_beginning(settings, warehouse):
    warehouse.deliver("aaa", "bad.csv", read=100, rejected=11)
    report = publish(settings)
    assert state(report) == "held"
    assert state(report, "bbb") == "published"
    assert not (settings.serve / "aaa" / "current.json").exists()
    held = read_json(settings.serve / "aaa" / "held.json")
    assert held["current_version"] is None
    [reason] = held["reasons"]
    assert (reason["rows_read"], reason["rows_rejected"]) == (200, 11)
    assert report.has_findings


def test_only_rows_read_since_the_last_publication_count(settings, warehouse):
    publish(settings)
    before = (settings.serve / "aaa" / "current.json").read_bytes()
    warehouse.deliver("aaa", "second.csv", read=100, rejected=6, minute=1)
    assert state(publish(settings)) == "held"
    assert (settings.serve / "aaa" / "current.json").read_bytes() == before
    # rows that come later dilute those that wait: 6 of 120 is exactly 5 %
    warehouse.deliver("aaa", "third.csv", read=20, rejected=0, minute=2)
    assert state(publish(settings)) == "published"
    assert not (settings.serve / "aaa" / "held.json").exists()
    # and the published ones do not count again
    warehouse.deliver("aaa", "fourth.csv", read=100, rejected=5, minute=3)
    assert state(publish(settings)) == "published"


def test_a_full_refresh_reads_nothing_since_the_last_publication(settings, warehouse):
    """Files loaded anew must not dilute the next bad delivery."""
    warehouse.deliver("aaa", "large.csv", read=100_000, rejected=0)
    publish(settings)
    warehouse.execute("update dq_files set loaded_at = loaded_at + interval 1 day")
    warehouse.deliver("aaa", "bad.csv", read=10, rejected=10, minute=1)
    assert state(publish(settings)) == "held"


def test_the_same_path_delivered_again_counts(settings, warehouse):
    publish(settings)
    warehouse.deliver("aaa", "first.csv", read=10, rejected=1, minute=5)
    assert state(publish(settings)) == "held"


def test_a_drop_in_usage_is_held_with_its_counts(settings, warehouse):
    warehouse.use_four_weeks("aaa", rows=100, newest_rows=50)
    warehouse.use_four_weeks("bbb", rows=100, newest_rows=51)
    report = publish(settings)
    assert (state(report), state(report, "bbb")) == ("held", "published")
    [reason] = read_json(settings.serve / "aaa" / "held.json")["reasons"]
    assert reason["usage_date"] == "2026-03-30"
    assert (reason["rows"], reason["median_rows"]) == (50, 100)
    assert len(reason["rows_before"]) == 4


def test_an_approval_releases_what_was_held(settings, warehouse):
    publish(settings)
    warehouse.deliver("aaa", "bad.csv", read=10, rejected=9, minute=1)
    publish(settings)
    since = read_json(settings.serve / "aaa" / "held.json")
    assert state(publish(settings)) == "held"  # stays held, since the same moment
    assert read_json(settings.serve / "aaa" / "held.json") == since
    report = publish(settings, approve=["aaa"])
    assert [o.district_id for o in report.outcomes] == ["aaa"]
    assert state(report) == "published"
    current = read_json(settings.serve / "aaa" / "current.json")
    assert current["fingerprint"] == since["fingerprint"]
    assert current["approved"] == since["reasons"]
    assert not (settings.serve / "aaa" / "held.json").exists()
    assert state(publish(settings)) == "unchanged"


def test_an_approval_does_not_release_what_came_later(settings, warehouse):
    publish(settings)
    warehouse.deliver("aaa", "bad.csv", read=10, rejected=9, minute=1)
    publish(settings)
    old = read_json(settings.serve / "aaa" / "held.json")["fingerprint"]
    warehouse.deliver("aaa", "worse.csv", read=10, rejected=10, minute=2)
    report = publish(settings, approve=["aaa"])
    assert state(report) == "held"
    assert "no longer in the warehouse" in report.outcomes[0].findings[-1]
    assert read_json(settings.serve / "aaa" / "held.json")["fingerprint"] != old
    assert state(publish(settings, approve=["aaa"])) == "published"
    warehouse.deliver("aaa", "bad2.csv", read=10, rejected=10, minute=3)
    assert state(publish(settings)) == "held"


def test_data_that_returns_to_what_is_published_is_no_longer_held(settings, warehouse):
    publish(settings)
    warehouse.deliver("aaa", "bad.csv", read=10, rejected=9, minute=1)
    publish(settings)
    warehouse.execute("delete from dq_files where path = 'bad.csv'")
    assert state(publish(settings)) == "unchanged"
    assert not (settings.serve / "aaa" / "held.json").exists()


def test_nothing_held_is_nothing_to_approve(settings, warehouse):
    publish(settings)
    for name in ("aaa", "never_seen", "../aaa"):
        with pytest.raises(RefusedError, match=name):
            publish(settings, approve=[name])
