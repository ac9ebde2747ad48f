"""Small districts made from a seed: two tastes, so that co-use says something."""

import duckdb
import numpy as np
import pandas as pd

from trackline.recommender import Options
from trackline.recommender.gram import NO_BAND, Gram
from trackline.recommender.pool import Pool
from trackline.recommender.sql import gram_sql


def interactions(n=300, n_apps=12, seed=0, timed=True):
    rng = np.random.default_rng(seed)
    rows = []
    for student in range(n):
        taste = student % 2
        chance = np.where(np.arange(n_apps) % 2 == taste, 0.6, 0.15)
        # the last app stays unused
        for app in np.flatnonzero(rng.random(n_apps - 1) < chance[:-1]):
            rows.append(
                (f"{student:05d}", f"app{app:02d}", app * 7 + rng.normal(0, 5), taste)
            )
    frame = pd.DataFrame(rows, columns=["student_id", "app_id", "day", "taste"])
    frame["band"] = np.where(frame.taste == 0, "excellent", "satisfactory")
    if timed:
        frame["used_at"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(frame.day, "D")
    return frame.drop(columns=["day", "taste"])


def co_use(histories):
    con = duckdb.connect()
    con.register("histories", histories)
    return con.sql(gram_sql("histories")).df()


def grams_of(co_use, apps):
    """Return the Gram of every fold from rows of `gram_sql` of one district."""
    frame = co_use
    place = pd.Index(apps)
    row = place.get_indexer(frame["app_id"].astype(object))
    column = place.get_indexer(frame["next_app_id"].astype(object))
    known = (row >= 0) & (column >= 0)
    n = len(apps)
    grams = {}
    fold = frame["fold"].to_numpy(int)
    millionths = frame["weighted_count"].to_numpy(float)
    diagonal = (frame["app_id"] == frame["next_app_id"]).to_numpy()
    band = np.where(frame["band"].isna(), NO_BAND, frame["band"]).astype(str)
    pairs = frame["pair_count"].to_numpy(float)
    for number in range(fold.max(initial=0) + 1):
        here = known & (fold == number)
        at = row[here] * n + column[here]

        def square(name, here=here, at=at):
            values = frame[name].to_numpy(float)[here]
            return np.bincount(at, values, minlength=n * n).reshape(n, n)

        bands = {}
        for name in np.unique(band[fold == number]):
            own = diagonal & (fold == number) & (band == name)
            users = np.bincount(row[own & known], pairs[own & known], minlength=n)
            # a student's shares add up to one: the diagonal counts the students
            bands[name] = np.append(users, round(millionths[own].sum() / 1e6))
        grams[number] = Gram(
            sum(counts[-1] for counts in bands.values()),
            square("pair_count"),
            square("weighted_count"),
            square("directed_count"),
            bands,
        )
    return grams


def warehouse(sizes):
    """Make the tables the dbt model hands over, {district: number of students}."""
    histories, students, apps = [], [], []
    for number, (district, n) in enumerate(sizes.items()):
        one = interactions(n, seed=number).rename(columns={"used_at": "first_used_on"})
        one["last_used_on"] = one.first_used_on + pd.Timedelta(days=3)
        one["is_used"] = one.index % 4 == 0
        one["district_id"] = district
        histories.append(one)
        ids = [f"{i:05d}" for i in range(n)]
        bands = ["excellent" if i % 2 == 0 else "satisfactory" for i in range(n)]
        students.append(
            pd.DataFrame({"district_id": district, "student_id": ids, "band": bands})
        )
        names = [f"app{i:02d}" for i in range(12)]
        apps.append(pd.DataFrame({"district_id": district, "app_id": names}))
    history = pd.concat(histories, ignore_index=True)
    return {
        "apps": pd.concat(apps, ignore_index=True),
        "students": pd.concat(students, ignore_index=True),
        "histories": history,
        "co_use": co_use(history),
    }


def asked(tables):
    """Count, by district, the students with an assessment and use."""
    used = tables["students"].merge(tables["histories"])
    return used.groupby("district_id")["student_id"].nunique()


def large(tables, day="2026-03-04", **options):
    """Give what `each_district` takes, for a district that is large from 100 on.

    Its day for a search is Wednesday.
    """
    north = {n: t[t.district_id == "north"] for n, t in tables.items()}
    return {
        "apps": north["apps"].assign(as_of=pd.Timestamp(day)),
        "students": north["students"],
        "histories": north["histories"],
        "pool": Pool.of(tables["co_use"]),
        "sizes": asked(north),
        "options": Options(**({"settings_from": 100} | options)),
    }
