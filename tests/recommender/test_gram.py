"""The co-use matrix: by hand, in SQL and in streams it is one and the same."""

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from recommender_data import co_use, grams_of, interactions

from trackline.recommender.build import co_use as counted
from trackline.recommender.frames import FOLDS, encode, student_hashes
from trackline.recommender.gram import (
    Steps,
    blocks,
    directed_count,
    gram_of,
    grams_by_band,
)
from trackline.recommender.sql import fold_sql, gram_sql, pooled_sql
from trackline.recommender.stream import _bands, _block, _students

TINY = pd.DataFrame(
    # s1: maps, then math, then art      s4: math and maps on one day
    # s2: maps, then math                s5: art
    # s3: math, then maps                s6: math, then art; type is used by nobody
    [
        ("s1", "maps", 1), ("s1", "math", 2), ("s1", "art", 3),
        ("s2", "maps", 1), ("s2", "math", 5),
        ("s3", "math", 1), ("s3", "maps", 2),
        ("s4", "math", 4), ("s4", "maps", 4),
        ("s5", "art", 9),
        ("s6", "math", 1), ("s6", "art", 2),
    ],
    columns=["student_id", "app_id", "used_at"],
)  # fmt: skip
APPS = np.array(["art", "maps", "math", "type"], dtype=object)


def gram_by_hand():
    #        art  maps math type
    pair = [
        [3, 1, 2, 0],  # art: s1 s5 s6; with maps s1; with math s1 s6
        [1, 4, 4, 0],  # maps: s1 s2 s3 s4, each of them with math
        [2, 4, 5, 0],  # math: all but s5
        [0, 0, 0, 0],
    ]
    # first use strictly before: s4's same day counts in neither direction
    directed = [
        [0, 0, 0, 0],
        [1, 0, 2, 0],  # maps before art: s1; before math: s1 s2
        [2, 1, 0, 0],  # math before art: s1 s6; before maps: s3
        [0, 0, 0, 0],
    ]
    # in millionths: s1 has 3 apps (333333), s2 s3 s4 s6 two (500000), s5 one
    third, half, one = 333333, 500000, 1000000
    weighted = [
        [third + one + half, third, third + half, 0],
        [third, third + 3 * half, third + 3 * half, 0],
        [third + half, third + 3 * half, third + 4 * half, 0],
        [0, 0, 0, 0],
    ]
    return np.array(pair), np.array(directed), np.array(weighted)


def test_gram_of_six_students_and_four_apps_is_as_counted_by_hand():
    rows = encode(TINY, APPS)
    gram = gram_of(blocks(rows, 4), 4, directed_count(rows))
    pair, directed, weighted = gram_by_hand()
    assert gram.n_students == 6
    np.testing.assert_array_equal(gram.pair, pair)
    np.testing.assert_array_equal(gram.directed, directed)
    np.testing.assert_array_equal(gram.weighted, weighted)


def test_centred_gram_is_as_counted_by_hand():
    # high: s1 s2 s3; low: s4 alone, who leaves nothing; s5 and s6 have no band
    bands = {"s1": "high", "s2": "high", "s3": "high", "s4": "low"}
    rows = encode(TINY.assign(band=TINY.student_id.map(bands)), APPS)
    gram = gram_of(blocks(rows, 4), 4)
    # users of art, maps, math, type; then students
    assert {band: counts.tolist() for band, counts in gram.bands.items()} == {
        "high": [1, 3, 3, 0, 3],
        "low": [0, 1, 1, 0, 1],
        "": [2, 0, 1, 0, 2],
    }
    # art:  3 - 1/3 - 4/2, with maps 1 - 1 = 0, with math 2 - 1 - 2/2 = 0
    # maps: 4 - 9/3 - 1 = 0, with math the same; math: 5 - 9/3 - 1 - 1/2
    expected = np.zeros((4, 4))
    expected[0, 0], expected[2, 2] = 2 / 3, 1 / 2
    np.testing.assert_allclose(gram.centred(), expected, atol=1e-12)
    # without the one of band low, as in the fold that holds it out
    held = gram_of(blocks(rows.select(np.array([3]))), 4)
    rest = gram.plus(held, -1.0)
    assert rest.n_bands == 2
    np.testing.assert_allclose(rest.centred(), expected, atol=1e-12)


def test_centred_gram_is_the_sum_of_deviations_from_the_bands_means():
    frame = interactions(90, seed=2)
    rows = encode(frame)
    used = rows.matrix().toarray()
    used, band = used[rows.lengths > 0], rows.band[rows.lengths > 0]
    for name in set(band):
        used[band == name] -= used[band == name].mean(axis=0)
    gram = gram_of(blocks(rows), len(rows.apps))
    np.testing.assert_allclose(gram.centred(), used.T @ used, atol=1e-9)


def test_steps_of_one_student_are_as_counted_by_hand():
    # s1 only, tau long enough for even shares: before math stands maps alone; before
    # art stand maps and math with one half each
    rows = encode(TINY[TINY.student_id == "s1"], APPS)
    steps = Steps.of(rows, 1e9, ahead=1)
    before = np.zeros((4, 4))
    before[1, 1] = 1 + 0.25
    before[1, 2] = before[2, 1] = before[2, 2] = 0.25
    after = np.zeros((4, 4))
    after[1, 2], after[1, 0], after[2, 0] = 1, 0.5, 0.5
    np.testing.assert_allclose(steps.before, before, atol=1e-6)
    np.testing.assert_allclose(steps.after, after, atol=1e-6)


def test_sql_gram_equals_numpy_gram_in_every_fold():
    frame = interactions(400, seed=3)
    frame.loc[frame.student_id.str.endswith("7"), "band"] = None
    table = frame.rename(columns={"used_at": "first_used_on"}).assign(district_id="d")
    rows = encode(frame)
    made = grams_of(co_use(table), rows.apps)
    fold = student_hashes(rows.students) % FOLDS
    for number in range(FOLDS):
        part = rows.select(np.flatnonzero(fold == number))
        gram = gram_of(blocks(part), len(rows.apps), directed_count(part))
        assert made[number].n_students == gram.n_students
        for name in ("pair", "directed", "weighted"):
            np.testing.assert_array_equal(
                getattr(made[number], name), getattr(gram, name)
            )
        assert made[number].n_bands == gram.n_bands == 3
        np.testing.assert_array_equal(made[number].centred(), gram.centred())


def test_sql_gram_keeps_districts_and_bands_apart():
    table = interactions(60).rename(columns={"used_at": "first_used_on"})
    both = pd.concat([table.assign(district_id="a"), table.assign(district_id="b")])
    made = co_use(both)
    one = co_use(table.assign(district_id="a")).drop(columns="district_id")
    for district in "ab":
        part = made[made.district_id == district].drop(columns="district_id")
        keys = ["band", "fold", "app_id", "next_app_id"]
        pd.testing.assert_frame_equal(
            part.sort_values(keys).reset_index(drop=True),
            one.sort_values(keys).reset_index(drop=True),
        )


def test_products_count_what_the_sql_counts():
    # band unknown for some; one student of 128 apps, whose share 7812.5 is rounded up
    table = interactions(300, n_apps=140, seed=5)
    table.loc[table.student_id.str.endswith("7"), "band"] = None
    many = [("many", f"app{i:02d}", "excellent") for i in range(128)]
    table = pd.concat(
        [table, pd.DataFrame(many, columns=["student_id", "app_id", "band"])]
    )
    table["first_used_on"] = pd.to_datetime(table.used_at).dt.floor("D")
    table["first_used_on"] = table.first_used_on.fillna(table.first_used_on.min())
    north = table.assign(district_id="north")
    south = table[table.student_id > "00100"].assign(district_id="south")
    both = pd.concat([north, south]).drop(columns="used_at")
    con = duckdb.connect()
    con.register("uses", both)
    by_sql = con.sql(pooled_sql("uses"))
    by_products = counted(con, con.table("uses"), pool_below=1000)
    assert by_products.columns == by_sql.columns
    assert len(by_sql) > 10_000
    assert by_products.order("all").fetchall() == by_sql.order("all").fetchall()
    # nobody borrows: the users of every app, and no pair
    smallest = south.student_id.nunique()
    alone = counted(con, con.table("uses"), pool_below=smallest)
    diagonal = by_sql.filter("app_id = next_app_id")
    assert alone.columns == by_sql.columns
    assert alone.order("all").fetchall() == diagonal.order("all").fetchall()
    assert len(counted(con, con.table("uses"), smallest + 1)) == len(by_sql)


def test_one_product_counts_all_and_every_band():
    frame = interactions(200, seed=4)
    frame.loc[frame.student_id.str.endswith("7"), "band"] = None
    rows = encode(frame)
    total, pairs = grams_by_band(rows)
    assert set(pairs) == {"", "excellent", "satisfactory"}
    whole = gram_of(blocks(rows), len(rows.apps))
    assert total.n_students == whole.n_students
    for name in ("pair", "weighted"):
        np.testing.assert_array_equal(getattr(total, name), getattr(whole, name))
    for name, pair in pairs.items():
        band = rows.band == name if name else pd.isna(rows.band)
        own = rows.select(np.flatnonzero(band))
        alone = gram_of(blocks(own), len(rows.apps))
        np.testing.assert_array_equal(pair, alone.pair)
        np.testing.assert_array_equal(total.bands[name], whole.bands[name])


def test_sql_fold_equals_python_fold():
    ids = [f"{i:04d}" for i in range(50)] + ["Zoë", "a b"]
    con = duckdb.connect()
    con.register("ids", pd.DataFrame({"student_id": ids}))
    made = con.sql(f"select student_id, {fold_sql()} as fold from ids").df()
    expected = student_hashes(made.student_id.to_numpy()) % FOLDS
    assert made.fold.tolist() == expected.tolist()


def test_spark_sql_is_the_same_query_in_sparks_words():
    sqlglot = pytest.importorskip("sqlglot")
    parse = sqlglot.parse_one
    spark = parse(gram_sql("int_histories", "spark"), read="spark")
    # nothing is left that Spark would not know: every function is one of its own
    names = {f.sql_name() for f in spark.find_all(sqlglot.exp.Func)}
    unknown = {f.name for f in spark.find_all(sqlglot.exp.Anonymous)}
    assert unknown == {"conv"}, "a function of Spark that the parser has no class for"
    assert {"EXPLODE", "ARRAY_AGG", "STRUCT", "MD5"} <= names, names
    duck = parse(gram_sql("int_histories", "duckdb"), read="duckdb")
    assert [c.alias_or_name for c in spark.selects] == [
        c.alias_or_name for c in duck.selects
    ]
    assert [c.alias for c in spark.ctes] == [c.alias for c in duck.ctes]


def test_streamed_gram_is_identical_whatever_the_batches():
    frame = interactions(500, seed=5, timed=False).sort_values("student_id")
    frame.loc[frame.student_id.str.endswith("7"), "band"] = None
    rows = encode(frame)
    whole = gram_of(blocks(rows), len(rows.apps))
    table = pa.Table.from_pandas(frame, preserve_index=False)
    apps = pa.array(rows.apps, pa.string())
    for size in (1, 7, 1000):
        batches = iter(table.to_batches(max_chunksize=size))
        made = gram_of(
            ((_block(t, s, apps), _bands(t, s)) for t, s in _students(batches)),
            len(rows.apps),
        )
        np.testing.assert_array_equal(made.pair, whole.pair)
        np.testing.assert_array_equal(made.weighted, whole.weighted)
        np.testing.assert_array_equal(made.centred(), whole.centred())


def test_a_stream_that_is_not_ordered_is_refused():
    table = pa.table({"student_id": ["b", "a"], "app_id": ["x", "y"]})
    with pytest.raises(ValueError, match="not ordered"):
        list(_students(iter(table.to_batches())))
