"""Seeds that are wrong as files, and what is data in them however it looks."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trackline.config import check, load
from trackline.config.rows import SEEDS
from trackline.settings import RefusedError


def rules(problems) -> list[tuple[str, int, str]]:
    return [(p.file, p.row, p.rule) for p in problems]


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.FILE)
def test_a_missing_file_is_refused_once(seeds, seed) -> None:
    (seeds / seed.FILE).unlink()
    problems = [p for p in check(seeds) if p.rule != "missing_bands"]
    assert rules(problems) == [(seed.FILE, 0, "missing_file")]


def test_an_empty_folder_names_every_seed(tmp_path) -> None:
    assert {p.file for p in check(tmp_path)} == {seed.FILE for seed in SEEDS}


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.FILE)
def test_every_column_is_needed(seeds, seed) -> None:
    # a model that reads the column would fail in the middle of a build
    path = seeds / seed.FILE
    for column in seed.columns():
        header, newline, rest = path.read_text(encoding="utf-8").partition("\n")
        spoiled = [name if name != column else "other" for name in header.split(",")]
        other = path.with_suffix(".bak")
        path.rename(other)
        path.write_text(",".join(spoiled) + newline + rest, encoding="utf-8")
        told = rules(check(seeds))
        assert (seed.FILE, 1, "missing_column") in told, column
        assert (seed.FILE, 1, "unknown_column") in told
        other.replace(path)


def test_a_duplicate_column_is_refused(replace) -> None:
    problems = replace("score_bands.csv", "lower_bound", "lower_bound,lower_bound")
    assert rules(problems)[0] == ("score_bands.csv", 1, "duplicate_column")


@pytest.mark.parametrize("row", ["*,excellent", "*,excellent,88,", "*"])
def test_a_ragged_row_is_refused(replace, row) -> None:
    problems = replace("score_bands.csv", "*,excellent,88", row)
    assert rules(problems) == [("score_bands.csv", 2, "ragged_row")]


def test_latin_1_is_refused_with_its_row(seeds) -> None:
    path = seeds / "district_apps.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b"Lighthouse", "Météo".encode("latin-1"))
    path.write_bytes(b"".join(lines))
    assert rules(check(seeds)) == [("district_apps.csv", 5, "wrong_encoding")]


def test_utf_16_is_refused(seeds) -> None:
    path = seeds / "score_bands.csv"
    path.write_bytes(path.read_text().encode("utf-16"))
    assert ("score_bands.csv", 1, "wrong_encoding") in rules(check(seeds))


def test_an_open_quote_is_refused_where_it_opens(replace) -> None:
    problems = replace("score_bands.csv", "*,satisfactory", '*,"satisfactory')
    assert ("score_bands.csv", 3, "bad_quotes") in rules(problems)


def test_semicolons_are_told_as_missing_columns(seeds) -> None:
    path = seeds / "score_bands.csv"
    path.write_text(path.read_text().replace(",", ";"))
    assert ("score_bands.csv", 1, "missing_column") in rules(check(seeds))


def test_a_line_break_in_a_cell_is_refused_and_counts_as_a_line(seeds) -> None:
    path = seeds / "score_bands.csv"
    text = path.read_text().replace("*,excellent", '*,"excel\nlent"')
    path.write_text(text.replace("*,satisfactory,69", "*,satisfactory,x"))
    # the second mistake stands on line 4, because the first takes two lines
    assert rules(check(seeds)) == [
        ("score_bands.csv", 2, "bad_text"),
        ("score_bands.csv", 4, "bad_number"),
    ]


def test_how_a_spreadsheet_saves_a_seed_is_accepted(seeds) -> None:
    # BOM, CRLF, capital TRUE, a blank line at the end
    for seed in SEEDS:
        path = seeds / seed.FILE
        text = path.read_text(encoding="utf-8").replace("true", "TRUE") + "\n"
        path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert check(seeds) == []
    assert load(seeds).district("lakeview").enabled is True


def test_column_order_is_free(seeds) -> None:
    path = seeds / "score_bands.csv"
    rows = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("\n".join(f"{b},{d},{n}" for d, n, b in rows) + "\n")
    assert check(seeds) == []


HOSTILE = [
    "'; drop table dim_students; --",
    '"quoted"',
    "comma, separated",
    "{{ env_var('HOME') }}",
    "{text}",
    "../x",
    "=cmd()",
    "مكتبة",
    "📚",
    "NULL",
    "NaN",
    "\u202egpj.exe",
    "x" * 64,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_to_sql_is_data(seeds, name) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    with (seeds / "district_apps.csv").open("a", encoding="utf-8") as file:
        file.write(f"lakeview,{quoted},{quoted},{quoted},true,,,\n")
    assert check(seeds) == []
    app = load(seeds).apps_of("lakeview")[-1]
    assert (app.app_id, app.app_name, app.subject) == (name, name, name)


def test_hostile_text_in_a_wrong_cell_comes_back_in_the_message(replace) -> None:
    problems = replace("districts.csv", "America/Chicago", "{text} {0} %s")
    assert "'{text} {0} %s'" in problems[0].message


def test_the_configuration_is_typed_and_empty_cells_are_defaults(
    replace, seeds
) -> None:
    replace(
        "districts.csv",
        "2026-03-31,0,latest,5,30,5,50,true,blendedhybrid,25,academic,isced1 isced2 i",
        ",,,,,,,,,,,i",
    )
    lakeview = load(seeds).district("lakeview")
    assert lakeview.as_of is None
    assert (lakeview.grace_days, lakeview.score_basis, lakeview.top_n) == (
        0,
        "latest",
        5,
    )
    assert lakeview.used_minutes == Decimal(30)
    assert (lakeview.hold_rejected_rows, lakeview.hold_usage_drop) == (5, 50)
    assert lakeview.enabled is True
    assert lakeview.percent_online is None


def test_own_rows_come_before_those_of_every_site(seeds) -> None:
    with (seeds / "analytics_settings.csv").open("a") as file:
        file.write("kailani,predictionsprocessor,server\n")
    configuration = load(seeds)
    assert configuration.setting("kailani", "predictionsprocessor") == "server"
    assert configuration.setting("lakeview", "predictionsprocessor") == "sklearn"
    assert [band.performance for band in configuration.bands_of("lakeview")] == [
        "advanced",
        "proficient",
        "developing",
        "emerging",
        "beginning",
    ]
    assert [band.lower_bound for band in configuration.bands_of("kailani")] == [
        88,
        69,
        55,
        0,
    ]


def test_a_setting_that_does_not_stand_there_has_moodles_default(
    replace, seeds
) -> None:
    assert replace("analytics_settings.csv", "*,calclifetime,35\n", "") == []
    assert load(seeds).setting("lakeview", "calclifetime") == "35"


def test_load_refuses_wrong_seeds(seeds) -> None:
    (seeds / "districts.csv").unlink()
    with pytest.raises(RefusedError, match=r"districts\.csv, row 0: .*missing_file"):
        load(seeds)
