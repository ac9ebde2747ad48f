"""What districts really send: every row is loaded or rejected by the rule it breaks."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import duckdb
import pytest

from trackline.landing.files import discover, first_line

HEADER = "student_id,app_id,usage_date,usage_minutes"
GOOD = "001,alpha,2025-02-01,10"
KEY = ("student_id", "app_id", "usage_date")


def usage(*rows: str, header: str = HEADER, end: str = "\n") -> str:
    return end.join([header, *rows]) + end


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xef\xbb\xbf" + usage(GOOD).encode(), id="bom"),
        pytest.param(usage(GOOD, end="\r\n"), id="crlf"),
        pytest.param(usage(GOOD, end="\r"), id="cr"),
        pytest.param(f"{HEADER}\r\n{GOOD}\n", id="mixed-newlines"),
        pytest.param(usage(GOOD).rstrip(), id="no-last-newline"),
        pytest.param(f"\n\n{HEADER}\n\n\n{GOOD}\n\n", id="blank-lines"),
        pytest.param(usage('"001","alpha","2025-02-01","10"'), id="quoted"),
        pytest.param(
            usage(
                "x,10,2025-02-01,alpha,001",
                header="note,USAGE_MINUTES,usage_date,App_Id,student_id",
            ),
            id="order-case-and-unknown-columns",
        ),
        pytest.param(
            usage(f"{GOOD},north", header=f"{HEADER},district_id"), id="own-district"
        ),
        pytest.param(
            usage(" 001\u2003,\u00a0alpha\t, 2025-02-01 ,\u300010\x85"), id="blanks"
        ),
    ],
)
def test_forms_of_one_good_file(read_usage, content):
    outcome = read_usage(content)
    assert outcome.rejects == []
    assert outcome.values(*KEY, "usage_minutes", "record_number") == [
        ("001", "alpha", date(2025, 2, 1), Decimal(10), 1)
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(usage(GOOD.replace(",", ";"), header=HEADER.replace(",", ";")),
                     "delimiter must be a comma", id="semicolons"),
        pytest.param(usage(GOOD.replace(",", "\t"), header=HEADER.replace(",", "\t")),
                     "delimiter must be a comma", id="tabs"),
        pytest.param(usage("alpha,2025-02-01,1", header="app_id,usage_date,usage_minutes"),  # noqa: E501
                     "lacks student_id", id="missing-key-column"),
        pytest.param(usage(f"{GOOD},2", header=f"{HEADER},App_ID"),
                     "app_id more than once", id="duplicate-column"),
        pytest.param(usage(GOOD, '"002,alpha,2025-02-01,1', "003,alpha,2025-02-01,1"),
                     "row 2: a quote that opens in it is never closed",
                     id="open-quote"),
        pytest.param(usage(GOOD, '"002"3,alpha,2025-02-01,1'),
                     "row 2: text follows a closing quote", id="text-after-a-quote"),
        pytest.param(usage(GOOD, header=HEADER + ',"note'),
                     "the header: a quote that opens in it is never closed",
                     id="open-quote-in-the-header"),
        pytest.param(usage(GOOD).encode("utf-16"), "lacks", id="utf-16"),
        pytest.param(b"\x00" * 5_000_000, "too long", id="zeros"),
        pytest.param(usage(GOOD) + "x" * 2_000_000, "longer than", id="endless-line"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_one_reject(read_usage, content, problem):
    outcome = read_usage(content)
    assert outcome.rows == []
    ((number, rule, column, value),) = outcome.rejects
    assert (number, rule, column) == (0, "unreadable_file", None)
    assert problem in value


def test_only_a_header_is_a_file_without_rows(read_usage):
    outcome = read_usage(f"{HEADER}\n")
    assert (outcome.rows, outcome.rejects) == ([], [])
    assert [file.status for file in outcome.files] == ["new"]


def test_embedded_newlines_and_quotes_keep_the_record_numbers(read_usage):
    outcome = read_usage(
        usage(
            '"0\n01",alpha,2025-02-01,1',
            '"O""Brien",alpha,2025-02-01,2',
            '001,"al,pha",2025-02-01,x',
            'ab"c,alpha,2025-02-01,3',
        )
    )
    assert outcome.rejects == [
        (1, "bad_text", "student_id", "0\n01"),
        (3, "bad_number", "usage_minutes", "x"),
    ]
    assert outcome.values("record_number", "student_id") == [
        (2, 'O"Brien'),
        (4, 'ab"c'),
    ]


def test_short_long_and_undecodable_rows_alone_are_rejected(read_usage):
    rows = [
        GOOD,
        "001,alpha,2025-02-02",
        GOOD + ",x",
        "\udcff,alpha,2025-02-04,1",
        GOOD,
    ]
    content = usage(*rows).encode("utf-8", "surrogateescape")
    outcome = read_usage(content)
    assert outcome.rejects == [
        (2, "missing_value", None, None),
        (3, "bad_text", None, None),
        (4, "bad_text", None, None),
    ]
    assert [row["record_number"] for row in outcome.rows] == [1, 5]


@pytest.mark.parametrize(
    ("cells", "reject"),
    [
        ((",alpha,2025-02-01,1"), ("missing_value", "student_id", None)),
        (("\u2003,alpha,2025-02-01,1"), ("missing_value", "student_id", None)),
        (("001,alpha,,1"), ("missing_value", "usage_date", None)),
        (("001,alpha,2025-02-01,"), ("missing_value", "usage_minutes", None)),
        # the first rule in INTERFACE's order, not the first column
        (("001,alpha,1/2/2025,"), ("missing_value", "usage_minutes", None)),
        (("x" * 65 + ",alpha,1/2/2025,x"), ("bad_text", "student_id", "x" * 65)),
        (("x" * 2000 + ",alpha,2025-02-01,1"), ("bad_text", "student_id", "x" * 256)),
        (("0\x0701,alpha,2025-02-01,1"), ("bad_text", "student_id", "0\x0701")),
        (("0\x0001,alpha,2025-02-01,1"), ("bad_text", "student_id", "0\x0001")),
        (("0\x8501,alpha,2025-02-01,1"), ("bad_text", "student_id", "0\x8501")),
        (("001,alpha,1/2/2025,x"), ("bad_number", "usage_minutes", "x")),
        (("001,alpha,2025-02-01,NaN"), ("bad_number", "usage_minutes", "NaN")),
        (("001,alpha,2025-02-01,Infinity"), ("bad_number", "usage_minutes", "Infinity")),  # noqa: E501
        (("001,alpha,2025-02-01,-inf"), ("bad_number", "usage_minutes", "-inf")),
        (("001,alpha,2025-02-01,1_000"), ("bad_number", "usage_minutes", "1_000")),
        (("001,alpha,2025-02-01,0x10"), ("bad_number", "usage_minutes", "0x10")),
        (("001,alpha,2025-02-01,١٢"), ("bad_number", "usage_minutes", "١٢")),
        (("001,alpha,2025-02-01,1 0"), ("bad_number", "usage_minutes", "1 0")),
        (("001,alpha,2025-02-01,true"), ("bad_number", "usage_minutes", "true")),
        (('001,alpha,2025-02-01,"1,5"'), ("bad_number", "usage_minutes", "1,5")),
        (("001,alpha,01/02/2025,1"), ("bad_date", "usage_date", "01/02/2025")),
        (("001,alpha,2025-02-30,1"), ("bad_date", "usage_date", "2025-02-30")),
        (("001,alpha,2025-2-1,1"), ("bad_date", "usage_date", "2025-2-1")),
        (("001,alpha,0000-01-01,1"), ("bad_date", "usage_date", "0000-01-01")),
        (("001,alpha,infinity,1"), ("bad_date", "usage_date", "infinity")),
        (("001,alpha,2025-02-01,-1"), ("out_of_range", "usage_minutes", "-1")),
        (("001,alpha,2025-02-01,1440.0000001"),
         ("out_of_range", "usage_minutes", "1440.0000001")),
        (("001,alpha,2025-02-01,1e400"), ("out_of_range", "usage_minutes", "1e400")),
        (("001,alpha,2025-03-03,1"), ("future_date", "usage_date", "2025-03-03")),
        (("001,alpha,9999-12-31,1"), ("future_date", "usage_date", "9999-12-31")),
    ],
)  # fmt: skip
def test_a_bad_cell_is_told_with_its_rule(read_usage, cells, reject):
    outcome = read_usage(usage(GOOD, cells, GOOD))
    assert outcome.rejects == [(2, *reject)]
    assert [row["record_number"] for row in outcome.rows] == [1, 3]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1e3", "1000"),
        ("+5", "5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-0", "0"),
        ("0.0000005", "0.000001"),
        ("0.00000049999", "0"),
        ("12345675e-7", "1.234568"),
        ("1440", "1440"),
    ],
)
def test_numbers_are_read_exactly(read_usage, text, minutes):
    (row,) = read_usage(usage(f"001,alpha,2025-02-01,{text}")).rows
    assert row["usage_minutes"] == Decimal(minutes)


@pytest.mark.parametrize(
    "text",
    [
        "'; drop table fct_daily_usage; --",
        "{{ env_var('HOME') }}",
        "../../x",
        "=cmd()|' /C calc'!A0",
        "007",
        "1e3",
        "NaN",
        "null",
        "مرحبا \u202eabc",
        "🦊👨‍👩‍👧",
        "%s%n",
        "x" * 64,
        "é" * 64,
    ],
)
def test_ids_are_data_whatever_they_look_like(read_usage, text):
    (row,) = read_usage(usage(f'"{text}","{text}",2025-02-01,1')).rows
    assert (row["student_id"], row["app_id"]) == (text, text)


@pytest.mark.parametrize(
    ("cells", "reject"),
    [
        ("3", None),
        ("3.0", None),
        ("3.5", ("bad_number", "session_count", "3.5")),
        ("-1", ("out_of_range", "session_count", "-1")),
        # two of these would overflow the sum of a district
        (str(2**63 - 1), ("out_of_range", "session_count", str(2**63 - 1))),
        ("9" * 30, ("out_of_range", "session_count", "9" * 30)),
    ],
)
def test_session_counts(read_usage, cells, reject):
    outcome = read_usage(usage(f"{GOOD},{cells}", header=f"{HEADER},session_count"))
    assert outcome.rejects == ([(1, *reject)] if reject else [])


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("", datetime(2025, 3, 1, 4)),
        ("2025-02-05", datetime(2025, 2, 5)),
        ("2025-02-05Z", datetime(2025, 2, 5)),
        ("2025-02-05T10:00", datetime(2025, 2, 5, 10)),
        ("2025-02-05T10:00Z", datetime(2025, 2, 5, 10)),
        ("2025-02-05T10:00-05", datetime(2025, 2, 5, 15)),
        ("2025-02-05 10:00:00z", datetime(2025, 2, 5, 10)),
        ("2025-02-05 10:00:00 -05:00", datetime(2025, 2, 5, 15)),
        ("2025-02-05T10:00:00 +0530", datetime(2025, 2, 5, 4, 30)),
        ("2025-02-05T10:00:00.123456789Z", datetime(2025, 2, 5, 10, 0, 0, 123456)),
        ("2025-03-02T04:00:00", datetime(2025, 3, 2, 4)),
        ("2025-03-02T04:00:01", "future_date"),
        ("2025-03-02T00:00:00-05:00", "future_date"),
        ("2025-02-05T10:00:60", "bad_date"),
        ("2025-02-05T10:00+99:00", "bad_date"),
        ("0000-02-05T10:00:00", "bad_date"),
        ("yesterday", "bad_date"),
        ("1740000000", "bad_date"),
    ],
)
def test_times_with_and_without_offsets(read_usage, text, at):
    outcome = read_usage(usage(f"{GOOD},{text}", header=f"{HEADER},updated_at"))
    if isinstance(at, str):
        assert outcome.rejects == [(1, at, "updated_at", text)]
    else:
        assert outcome.values("updated_at") == [(at,)]


def test_dates_reach_from_year_one_to_a_day_after_the_file(landing):
    rows = [f"001,alpha,{day},1" for day in ("0001-01-01", "2025-03-02", "2025-03-03")]
    landing.put("north/app_usage/1.csv", usage(*rows))
    assert len(landing.read(time_zone="UTC").rows) == 2
    # at 04:00 UTC it is still the day before in Los Angeles, and later in Kiritimati
    assert len(landing.read(time_zone="America/Los_Angeles").rows) == 1
    landing.put(
        "north/app_usage/1.csv", usage(*rows), datetime(2025, 3, 1, 12, tzinfo=UTC)
    )
    assert len(landing.read(time_zone="Pacific/Kiritimati").rows) == 3


def test_a_withdrawn_row_needs_its_key_only(landing):
    header = f"{HEADER},session_count,is_deleted,updated_at"
    landing.put(
        "north/app_usage/1.csv",
        usage(
            "001,alpha,2025-02-01,x,-1,true,2025-02-02",
            "001,alpha,2025-02-01,,,YES,",
            "001,alpha,,x,,true,",
            "001,alpha,2025-02-01,1,,true,tomorrow",
            "001,alpha,2025-02-01,1,,maybe,",
            header=header,
        ),
    )
    landing.put(
        "north/app_usage/2.csv",
        usage("001,alpha,2025-02-01,1", "001,alpha,2025-02-01,0",
              header="student_id,app_id,usage_date,is_deleted"),
    )  # fmt: skip
    outcome = landing.read()
    assert outcome.values("path", "is_deleted") == [
        ("north/app_usage/1.csv", True),
        ("north/app_usage/1.csv", True),
        ("north/app_usage/2.csv", True),
    ]
    assert outcome.rejects == [
        (3, "missing_value", "usage_date", None),
        (4, "bad_date", "updated_at", "tomorrow"),
        (5, "bad_value", "is_deleted", "maybe"),
        (2, "missing_value", "usage_minutes", None),
    ]


SCORES = "student_id,measure,measured_on,score,max_score"


@pytest.mark.parametrize(
    ("cells", "reject"),
    [
        ("assessment,2025-02-01,0,", None),
        ("assessment,2025-02-01,100,", None),
        ("assessment,2025-02-01,7,7", None),
        ("assessment,2025-02-01,0.3,0.3", None),
        ("assessment,2025-02-01,-1,", ("out_of_range", "score", "-1")),
        ("assessment,2025-02-01,-2,", ("out_of_range", "score", "-2")),
        ("assessment,2025-02-01,-9,", ("out_of_range", "score", "-9")),
        ("assessment,2025-02-01,101,", ("out_of_range", "score", "101")),
        ("assessment,2025-02-01,8,7", ("out_of_range", "score", "8")),
        ("assessment,2025-02-01,0,0", ("out_of_range", "max_score", "0")),
        ("assessment,2025-02-01,0,1e-30", ("out_of_range", "max_score", "1e-30")),
        ("assessment,2025-02-01,5e12,1e13", ("out_of_range", "score", "5e12")),
        ("Assessment,2025-02-01,1,", ("bad_value", "measure", "Assessment")),
        ("exam,2025-02-01,1,", ("bad_value", "measure", "exam")),
        ("assessment,2025-02-01,n/a,", ("bad_number", "score", "n/a")),
        ("assessment,2025-02-01,1,all", ("bad_number", "max_score", "all")),
        ("assessment,2025-04-01,1,", ("future_date", "measured_on", "2025-04-01")),
    ],
)
def test_scores(landing, cells, reject):
    landing.put("north/scores/1.csv", f"{SCORES}\n001,{cells}\n")
    outcome = landing.read("scores")
    assert outcome.rejects == ([(1, *reject)] if reject else [])


def test_the_folder_decides_the_district(landing):
    rows = [f"{GOOD},{name}" for name in ("north", " north ", "south", "", "NORTH")]
    landing.put("north/app_usage/1.csv", usage(*rows, header=f"{HEADER},district_id"))
    assert landing.read().rejects == [
        (3, "wrong_district", "district_id", "south"),
        (4, "wrong_district", "district_id", None),
        (5, "wrong_district", "district_id", "NORTH"),
    ]


def test_gzip_files_that_are_none_or_cut_off(landing):
    whole = gzip.compress(usage(*[GOOD] * 1000).encode())
    landing.put("north/app_usage/1.csv.gz", whole)
    landing.put("north/app_usage/2.csv.gz", whole[: len(whole) // 2])
    landing.put("north/app_usage/3.csv.gz", usage(GOOD))
    landing.put("north/app_usage/4.csv.gz", whole + whole.replace(b"x", b"y"))
    landing.put("north/app_usage/5.csv.gz", b"")
    outcome = landing.read()
    assert {row["path"][-8:] for row in outcome.rows} == {"1.csv.gz", "4.csv.gz"}
    # the second member's header is a row like any other
    assert [reject[1] for reject in outcome.rejects].count("unreadable_file") == 3
    assert (1001, "bad_number", "usage_minutes", "usage_minutes") in outcome.rejects


def test_a_gzip_file_that_was_cut_off_is_not_taken_for_a_bomb(landing):
    """Its last bytes, where a whole file tells its length, may say anything."""
    whole = gzip.compress(usage(GOOD).encode())
    landing.put("north/app_usage/1.csv.gz", whole[:-8] + b"\xff" * 4)
    outcome = landing.read()
    ((_, rule, _, problem),) = outcome.rejects
    assert rule == "unreadable_file"
    assert "ended before the end" in problem


def test_a_gzip_bomb_is_refused_in_little_memory(landing):
    import resource

    zeros = bytes(1 << 20)
    for name, head in (("1", usage(GOOD)), ("2", "x")):
        path = landing.put(f"north/app_usage/{name}.csv.gz", b"")
        with gzip.open(path, "wb", compresslevel=9) as stream:
            stream.write(head.encode())
            for _ in range(200):
                stream.write(zeros)
    # a bomb of many members says only of its last one how far it expands
    member = gzip.compress(zeros)
    landing.put(
        "north/app_usage/3.csv.gz", gzip.compress(usage(GOOD).encode()) + member * 200
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = landing.read()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert [reject[1] for reject in outcome.rejects] == ["unreadable_file"] * 3
    assert outcome.rows == []
    assert after - before < 100_000, "kilobytes"


def test_a_bomb_of_good_rows_in_many_members_is_not_read_on(landing, monkeypatch):
    monkeypatch.setattr("trackline.landing.files.EXPANSION", 0)
    header, *rows = usage(GOOD).encode().splitlines(keepends=True)
    member = gzip.compress(b"".join(rows) * 50_000)
    landing.put("north/app_usage/1.csv.gz", gzip.compress(header) + member * 80)
    landing.put("north/app_usage/2.csv.gz", gzip.compress(usage(GOOD).encode()))
    outcome = landing.read()
    ((_, rule, _, problem),) = outcome.rejects
    assert (rule, "taken for a bomb" in problem) == ("unreadable_file", True)
    assert {row["path"] for row in outcome.rows} == {"north/app_usage/2.csv.gz"}


def test_good_files_are_not_read_row_by_row(landing, monkeypatch):
    monkeypatch.setattr("trackline.landing.malformed.read_batches", None)
    for name in ("1.csv", "2.csv", "3.csv.gz", "4.csv.gz"):
        text = usage(GOOD).encode()
        landing.put(
            f"north/app_usage/{name}", gzip.compress(text) if "gz" in name else text
        )
    outcome = landing.read()
    assert outcome.rejects == []
    assert len({row["path"] for row in outcome.rows}) == 4


def test_folders_that_do_not_open_or_never_end_are_told_alone(landing, monkeypatch):
    landing.put("north/app_usage/1.csv", usage(GOOD))
    landing.put("north/scores/locked/1.csv", "x")
    landing.put("north/students/" + "deep/" * 40 + "1.csv", "x")
    scandir = os.scandir

    def refuse(folder):
        if str(folder).endswith("locked"):
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr("trackline.landing.files.os.scandir", refuse)
    found = {f.path: f for f in discover(landing.folder, {"north": "UTC"})}
    assert found.pop("north/app_usage/1.csv").status == "new"
    locked = found.pop("north/scores/locked")
    assert (locked.status, locked.table_name) == ("unavailable", "scores")
    assert locked.problem == "the folder cannot be listed: Permission denied"
    (deep,) = found.values()
    assert (deep.district_id, deep.status) == ("north", "unavailable")
    assert "folders" in deep.problem
    assert len(landing.read().rows) == 1


def test_a_problem_quotes_no_cell(landing):
    """It may be a student's id; where files lie is nobody's business either."""
    error = duckdb.InvalidInputException(
        'Invalid string encoding found in Parquet file "/srv/x.parquet": value "jane"'
        " is no UTF8: 'smith' isn't"
    )
    told = first_line(error)
    assert "jane" not in told
    assert "smith" not in told
    assert "/srv" not in told
    assert told.endswith("isn't")
    assert "jane" not in first_line(ValueError('value "jane\ndoe" is odd'))


@pytest.mark.parametrize(
    "name",
    [
        "*.csv", "?.csv", "[ab].csv", "[!a].csv", "**/x.csv", "{a,b}.csv", "~.csv",
        "'; drop table x.csv", 'a"b.csv', "a b%20.csv", "a\nb.csv", "b\\a.csv", "x]y.csv",  # noqa: E501
        "day=1/x.csv", "{{ x }}.csv", "ÄÖ🦊.CSV", "-rf.csv", "a#b?c=d.csv", "café.csv.gz",  # noqa: E501
    ],
)  # fmt: skip
def test_a_file_name_is_no_pattern(landing, name):
    """A pattern would read other files twice, and as another district's."""
    for district in ("north", "south"):
        for other in ("a", "b"):
            path = f"{district}/app_usage/{other}.csv"
            landing.put(path, usage(f"{district}-{other},alpha,2025-02-01,1"))
    content = usage("odd,alpha,2025-02-01,1")
    packed = gzip.compress(content.encode()) if name.endswith("gz") else content
    landing.put(f"north/app_usage/{name}", packed)
    if name.endswith(".csv"):
        import pyarrow.csv

        parquet = pyarrow.csv.read_csv(landing.folder / "north/app_usage/a.csv")
        landing.put(f"north/app_usage/{name[:-4]}.parquet", parquet)
    outcome = landing.read(districts=("north", "south"))
    expected = [
        ("north/app_usage/a.csv", "north-a"),
        ("north/app_usage/b.csv", "north-b"),
        ("south/app_usage/a.csv", "south-a"),
        ("south/app_usage/b.csv", "south-b"),
        (f"north/app_usage/{name}", "odd"),
    ]
    if name.endswith(".csv"):
        expected.append((f"north/app_usage/{name[:-4]}.parquet", "north-a"))
    assert sorted(outcome.values("path", "student_id")) == sorted(expected)
    assert outcome.rejects == []


def test_a_name_that_is_no_utf8_is_refused_alone(landing):
    landing.put(b"north/app_usage/\xff\xfe.csv", usage(GOOD))
    landing.put("north/app_usage/b\\[*].parquet", b"x")
    landing.put("north/app_usage/1.csv", usage(GOOD))
    outcome = landing.read()
    assert [row["path"] for row in outcome.rows] == ["north/app_usage/1.csv"]
    assert [reject[1] for reject in outcome.rejects] == ["unreadable_file"] * 2
    assert "north/app_usage/\\xff\\xfe.csv" in [file.path for file in outcome.files]


def test_links_hidden_and_unfinished_files_are_left_alone(landing, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "secret.csv").write_text(usage(GOOD))
    kept = landing.put("north/app_usage/2025/03/1.csv", usage(GOOD))
    folder = kept.parent
    (folder / "link.csv").symlink_to(elsewhere / "secret.csv")
    (folder / "broken.csv").symlink_to(elsewhere / "nothing")
    (folder / "linked").symlink_to(elsewhere)
    (folder / "loop").symlink_to(landing.folder)
    for name in (".hidden.csv", "2.csv.part", "3.csv.tmp", ".git/4.csv", "5.tmp/6.csv"):
        landing.put(f"north/app_usage/{name}", usage(GOOD))
    assert [file.path for file in landing.read().files] == [
        "north/app_usage/2025/03/1.csv"
    ]


def test_one_name_in_two_folders_is_two_files(landing):
    for folder in ("a", "b"):
        landing.put(
            f"north/app_usage/{folder}/1.csv", usage(f"{folder},x,2025-02-01,1")
        )
    assert landing.read().values("path", "student_id") == [
        ("north/app_usage/a/1.csv", "a"),
        ("north/app_usage/b/1.csv", "b"),
    ]


def test_unknown_folders_and_formats_are_listed_and_not_read(landing):
    from trackline.landing import discover

    for path in (
        "nowhere/app_usage/1.csv", "north/grades/1.csv", "north/app_usage/1.xlsx",
        "north/1.csv", "1.csv", "North/app_usage/1.csv",
    ):  # fmt: skip
        landing.put(path, usage(GOOD))
    assert {
        file.path: file.status for file in discover(landing.folder, {"north": "UTC"})
    } == {
        "1.csv": "unknown_district",
        "North/app_usage/1.csv": "unknown_district",
        "north/1.csv": "unknown_table",
        "north/app_usage/1.xlsx": "unknown_format",
        "north/grades/1.csv": "unknown_table",
        "nowhere/app_usage/1.csv": "unknown_district",
    }


def test_any_file_time_can_be_told(landing):
    import os

    path = landing.put("north/app_usage/1.csv", usage(GOOD))
    for seconds in (-(2**31), 2**33):
        os.utime(path, (seconds, seconds))
        (file,) = landing.read(time_zone="Pacific/Kiritimati").files
        assert (
            abs((file.modified_at - datetime(1970, 1, 1)).total_seconds() - seconds) < 1
        )

    class Stat:
        st_mtime_ns = 10**30

    from trackline.landing import files

    for Stat.st_mtime_ns in (10**30, -(10**30)):
        assert files._modified_at(Stat) + timedelta(days=2)


def test_an_event_may_be_named_by_an_address(landing):
    """Ids of xAPI and Caliper are longer than those of students and applications."""
    head = "event_id,student_id,app_id,occurred_at\n"
    ends = ",001,alpha,2025-02-01T10:00:00\n"
    address = "https://lrs.example.org/statements/" + "e" * 100
    landing.put("north/events/1.csv", head + address + ends + "e" * 1025 + ends)
    outcome = landing.read("events")
    assert outcome.values("event_id") == [(address,)]
    assert [reject[1:3] for reject in outcome.rejects] == [("bad_text", "event_id")]
