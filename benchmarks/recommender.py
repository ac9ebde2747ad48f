"""The bars of the recommender, measured: `python -m benchmarks.recommender [part ..]`.

accuracy     NDCG@10 on msstore and OULAD, whole students held out and time held out,
             against peers on the same rows, same splits, 24 settings at most each
sharing      small districts that share their settings, against a search of their own
simulations  districts with known truth
scale-1m     1M students x 200 apps; scale-5m: 5M x 500 (gigabytes, minutes)

Results are printed as markdown; `--write` puts each part into its place in
docs/benchmarks-recommender.md.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks import peers, recommender_scale, simulations, small_districts
from trackline.recommender import Recommender
from trackline.recommender.frames import FOLDS, Rows, encode, student_hashes
from trackline.recommender.metrics import ndcg, paired_bootstrap
from trackline.recommender.tasks import split_last

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = Path(
    os.environ.get("TRACKLINE_FIXTURES") or ROOT.parent / "shared" / "fixtures"
)
PAGE = ROOT / "docs" / "benchmarks-recommender.md"
DECAYS = (None, 2.0, 7.0, 20.0, 60.0)  # the median span of a student over these


def msstore() -> Rows:
    path = FIXTURES / "recsys" / "msstore.parquet"
    return encode(
        duckdb.sql(
            f"""select "user" as student_id, item as app_id, time / 86400 as used_at
            from '{path}'"""
        )
    )


def oulad() -> Rows:
    path = FIXTURES / "oulad" / "studentVle.parquet"
    return encode(
        duckdb.sql(
            f"""select
                code_module || code_presentation || id_student as student_id,
                cast(id_site as varchar) as app_id,
                min(date) as used_at,
                sum(sum_click) as weight,
            from '{path}' group by all"""
        )
    )


def frame(rows: Rows, timed: bool) -> pd.DataFrame:
    data = {"student_id": rows.students[rows.student], "app_id": rows.apps[rows.app]}
    if timed:
        data |= {"used_at": rows.first, "weight": rows.weight}
    return pd.DataFrame(data)


def hide(rows: Rows, seed: int, share: float = 0.3) -> np.ndarray:
    draw = np.random.default_rng(seed).random(len(rows.student))
    order = pd.Series(draw).groupby(rows.student).rank().to_numpy()
    lengths = rows.lengths[rows.student]
    return (order <= np.maximum(1, np.floor(share * lengths))) & (lengths >= 2)


def quality(top: np.ndarray, wanted: sparse.csr_matrix) -> np.ndarray:
    dense = np.c_[wanted.toarray() > 0, np.zeros(wanted.shape[0], bool)]
    hit = np.take_along_axis(dense, top, axis=1)
    return ndcg(hit, np.diff(wanted.indptr))


def our_top(model: Recommender, shown: Rows, timed: bool) -> np.ndarray:
    made = model.recommend(frame(shown, timed), k=10)
    top = np.full((len(shown.students), 10), -1)
    student = pd.Index(shown.students).get_indexer(made["student_id"])
    app = pd.Index(shown.apps).get_indexer(made["app_id"])
    top[student, made["rank"] - 1] = app
    return top


def tuned(build, grid, cases, final) -> tuple[np.ndarray, dict]:
    """Choose on the validation cases (train, shown, wanted), then run the final one."""
    scores = [
        np.nanmean(quality(build(train, **s)(shown), wanted))
        for train, shown, wanted, s in ((*cases[s["decay"]], s["own"]) for s in grid)
    ]
    best = grid[int(np.argmax(scores))]
    train, shown, wanted = final[best["decay"]]
    return quality(build(train, **best["own"])(shown), wanted), best


def whole_students(rows: Rows, folds: range) -> dict[str, np.ndarray]:
    """Test every student of the folds once; peers are tuned on the next fold."""
    found: dict[str, list] = {}
    number = student_hashes(rows.students) % FOLDS
    hidden = hide(rows, 1)
    for fold in folds:
        test = np.flatnonzero((number == fold) & (rows.lengths >= 2))
        check = np.flatnonzero((number == (fold + 1) % FOLDS) & (rows.lengths >= 2))
        train = rows.select(np.flatnonzero(number != fold))
        inner = rows.select(
            np.flatnonzero((number != fold) & (number != (fold + 1) % FOLDS))
        )
        shown, wanted = rows.filter(~hidden), rows.filter(hidden).matrix()
        model = Recommender(random_state=0).fit(frame(train, False))
        top = our_top(model, shown.select(test), False)
        found.setdefault("Trackline", []).append(quality(top, wanted[test]))
        case = (inner.matrix(), shown.matrix()[check], wanted[check])
        final = (train.matrix(), shown.matrix()[test], wanted[test])
        for name, (build, grid) in peers.available().items():
            plain = [{"decay": None, "own": s} for s in grid]
            value, best = tuned(build, plain, {None: case}, {None: final})
            print(f"  fold {fold} {name}: {np.nanmean(value):.4f} {best}", flush=True)
            found.setdefault(name, []).append(value)
    return {name: np.concatenate(v) for name, v in found.items()}


def held_out_time(rows: Rows) -> dict[str, np.ndarray]:
    """Hide the last fifth; peers get the same decayed rows, decay tuned first."""
    late = split_last(rows)
    early = rows.filter(~late)
    chosen = np.flatnonzero(late_count(rows, late) > 0)
    wanted = rows.filter(late).matrix()[chosen]
    later = split_last(early)
    inner, check = early.filter(~later), early.filter(later).matrix()
    model = Recommender(random_state=0).fit(frame(early, True))
    found = {"Trackline": quality(our_top(model, early.select(chosen), True), wanted)}
    spans = pd.Series(early.first).groupby(early.student).agg(np.ptp)
    span = float(spans[spans > 0].median())
    cases, final = {}, {}
    for share in DECAYS:
        tau = None if share is None else span / share
        inside, outside = decayed(inner, tau), decayed(early, tau)
        cases[share] = (inside, inside, check)
        final[share] = (outside, outside[chosen], wanted)
    for name, (build, grid) in peers.available().items():
        middle = grid[len(grid) // 2]
        first = [{"decay": d, "own": middle} for d in DECAYS]
        _, best = tuned(build, first, cases, final)
        second = [{"decay": best["decay"], "own": s} for s in grid]
        value, best = tuned(build, second, cases, final)
        print(f"  {name}: {np.nanmean(value):.4f} {best}", flush=True)
        found[name] = value
    return found


def decayed(rows: Rows, tau: float | None) -> sparse.csr_matrix:
    """Return rows weighing exp(-age / tau), 1 for a student's latest."""
    if tau is None:
        return rows.matrix()
    latest = np.full(len(rows.students), -np.inf)
    np.maximum.at(latest, rows.student, rows.first)
    return rows.matrix(
        np.exp(np.maximum((rows.first - latest[rows.student]) / tau, -80))
    )


def late_count(rows: Rows, late: np.ndarray) -> np.ndarray:
    return np.bincount(rows.student[late], minlength=len(rows.students))


def accuracy() -> str:
    lines = [
        "| data | held out | model | students | NDCG@10 | Trackline ahead by (95 %) |",
        "|-|-|-|-|-|-|",
    ]
    for name, rows, folds in (
        ("msstore", msstore(), range(FOLDS)),
        ("OULAD", oulad(), range(1)),
    ):
        for task, run in (
            ("students", lambda r=rows, f=folds: whole_students(r, f)),
            ("time", lambda r=rows: held_out_time(r)),
        ):
            began = time.process_time()
            found = run()
            spent = time.process_time() - began
            print(f"{name} {task}: {spent:.0f} CPU s", flush=True)
            ours = found["Trackline"]
            for model in sorted(found, key=lambda m: -np.nanmean(found[m])):
                value = np.nanmean(found[model])
                cell = ""
                if model != "Trackline":
                    mean, low, high = paired_bootstrap(ours, found[model])
                    cell = f"{mean:+.4f} ({low:+.4f} to {high:+.4f})"
                cells = [name, task, model, len(ours), f"{value:.4f}", cell]
                lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def simulated() -> str:
    lines = [
        "| districts | students | effect SD | confounding | pick / oracle "
        "| naive pick / oracle | badges per 20 | false badges | of wrong sign |",
        "|-|-|-|-|-|-|-|-|-|",
    ]
    cases = [
        (200, 1, 500, 0.1, 0.5),
        (200, 1, 500, 0.05, 0.5),
        (200, 1, 500, 0.1, 1.0),
        (200, 1, 500, 0.05, 1.0),
        (200, 1, 200, 0.1, 0.5),
        (200, 1, 200, 0.05, 0.5),
        (100, 1, 2000, 0.05, 0.5),
        (30, 10, 500, 0.1, 0.5),
        (30, 10, 500, 0.05, 1.0),
        (200, 1, 500, 0.0, 0.5),
        (30, 10, 500, 0.0, 1.0),
    ]
    for rounds, n, students, effect, confounding in cases:
        r = simulations.run(
            rounds,
            n_districts=n,
            n_students=students,
            effect_sd=effect,
            confounding=confounding,
        )
        share, wrong = r["false_share"], r["wrong_sign_share"]
        lines.append(
            f"| {n} | {students} | {effect} | {confounding} "
            f"| {r['pick_over_oracle']:.2f} | {r['naive_over_oracle']:.2f} "
            f"| {r['badges_per_20']:.2f} ({r['badges']:.0f}) "
            f"| {share:.1%} | {wrong:.1%} |"
        )
    return "\n".join(lines)


def sharing() -> str:
    stores, courses = msstore(), oulad()
    # the module and its presentation
    course = np.array([student[:8] for student in courses.students])
    return "\n".join(
        [
            "| data | districts | searched together | own | shared"
            " | shared ahead by (95 %) | CPU s, own | CPU s, shared |",
            "|-|-|-|-|-|-|-|-|",
            *small_districts.compare("msstore", stores, np.zeros(stores.shape[0])),
            *small_districts.compare("OULAD", courses, course),
        ]
    )


PARTS = {
    "accuracy": accuracy,
    "sharing": sharing,
    "simulations": simulated,
    "scale-1m": lambda: recommender_scale.compare(1_000_000, 200),
    "scale-5m": lambda: recommender_scale.compare(5_000_000, 500, with_peers=False),
}


def write(part: str, text: str) -> None:
    """Replace what stands between the part's markers."""
    page = PAGE.read_text()
    marks = f"<!-- {part} -->", f"<!-- end {part} -->"
    pattern = re.compile(re.escape(marks[0]) + ".*?" + re.escape(marks[1]), re.S)
    new = f"{marks[0]}\n{text}\n{marks[1]}"
    PAGE.write_text(pattern.sub(lambda _: new, page))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=["accuracy", "simulations"])
    parser.add_argument("--write", action="store_true", help="into docs/")
    options = parser.parse_args()
    for part in options.parts:
        text = PARTS[part]()
        print(f"\n## {part}\n\n{text}\n", flush=True)
        if options.write:
            write(part, text)


if __name__ == "__main__":
    main()
