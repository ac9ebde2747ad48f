"""Simulated districts with known truth: what the outcome model may claim.

Ability drives scores and, app by app, who uses what (confounding); use acts on the
later score by a known effect.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from trackline.recommender.outcome import estimate_effects, fit_district

N_APPS = 20


def simulate(
    seed: int,
    n_districts: int = 1,
    n_students: int = 500,
    effect_sd: float = 0.1,
    confounding: float = 0.5,
    district_sd: float = 0.03,
) -> tuple[dict, dict]:
    """Return {district: (students, uses)} and {(district, app): true effect in SD}."""
    rng = np.random.default_rng(seed)
    apps = [f"app{i:02d}" for i in range(N_APPS)]
    overall = rng.normal(0.0, effect_sd, N_APPS)
    pull = rng.normal(0.0, confounding, N_APPS)
    base = rng.uniform(-1.5, 0.0, N_APPS)
    data, truth = {}, {}
    for number in range(n_districts):
        name = f"d{number}"
        effects = overall + rng.normal(0.0, district_sd * (effect_sd > 0), N_APPS)
        school = rng.integers(0, 12, n_students)
        ability = rng.normal(size=n_students) + rng.normal(0, 0.3, 12)[school]
        noise = rng.normal(0.0, 0.5, (3, n_students))
        used = rng.random((n_students, N_APPS)) < 1 / (
            1 + np.exp(-(base + pull * ability[:, None]))
        )
        later = ability + used @ effects + noise[2]
        scale = later.std()
        students = pd.DataFrame(
            {
                "student_id": [f"{i:05d}" for i in range(n_students)],
                "earlier_score": 70 + 12 * (ability + noise[0]),
                "prior_score": 70 + 12 * (ability + noise[1]),
                "later_score": 70 + 12 * later,
                "school_id": school.astype(str),
            }
        )
        bounds = [-np.inf, 55, 69, 88, np.inf]
        bands = pd.cut(students["prior_score"], bounds, right=False, labels=False)
        students["band"] = bands.astype(str)
        row, column = np.nonzero(used)
        uses = pd.DataFrame(
            {
                "student_id": students["student_id"].to_numpy()[row],
                "app_id": np.array(apps)[column],
                "usage_minutes": rng.gamma(2.0, 60.0, len(row)),
            }
        )
        data[name] = (students, uses)
        truth |= {(name, a): e / scale for a, e in zip(apps, effects, strict=True)}
    return data, truth


def run(rounds: int, **options: float) -> dict[str, float]:
    """Return the value of the first pick over the oracle's, and false badges."""
    picked = oracle = badges = false = wrong = apps = 0.0
    naive = 0.0
    for seed in range(rounds):
        data, truth = simulate(seed, **options)
        fits = {d: fit_district(s, u) for d, (s, u) in data.items()}
        table = estimate_effects({d: f for d, f in fits.items() if f is not None})
        table["truth"] = [
            truth[d, a] for d, a in zip(table.district_id, table.app_id, strict=True)
        ]
        for _, one in table.groupby("district_id"):
            picked += one.loc[one["effect"].idxmax(), "truth"]
            oracle += one["truth"].max()
        for name, (students, uses) in data.items():
            later = students.set_index("student_id")["later_score"]
            scored = uses.assign(score=uses["student_id"].map(later))
            naive += truth[name, scored.groupby("app_id")["score"].mean().idxmax()]
        badges += table["is_associated"].sum()
        false += (table["is_associated"] & (table["truth"] <= 0.03)).sum()
        wrong += (table["is_associated"] & (table["truth"] <= 0.0)).sum()
        apps += len(table)
    return {
        "pick_over_oracle": picked / oracle if oracle else float("nan"),
        "naive_over_oracle": naive / oracle if oracle else float("nan"),
        "badges": badges,
        "badges_per_20": 20 * badges / apps,
        "false_share": false / max(badges, 1),
        "wrong_sign_share": wrong / max(badges, 1),
    }
