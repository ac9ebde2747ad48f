"""Choosing members, settings and their blend by NDCG@10 on the tasks of `tasks`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from trackline.recommender.frames import Rows
from trackline.recommender.tasks import Candidate, Task, next_task

__all__ = ["FEWEST", "Choice", "choose", "choose_next"]

FEWEST = 20  # students to validate on: fewer would choose by chance
_ALIKE = 0.005  # what a validation of 2,000 students cannot tell apart
_FEWEST_TOLD = 10  # a band of fewer students is not told of


@dataclass
class Choice:
    """A blend of candidates and the table of everything tried, best first.

    Attributes
    ----------
    blend : list of (Candidate, float)
    table : list of dict
    by_band : dict of str to (int, float)
        The students asked, and their NDCG@10.
    """

    blend: list[tuple[Candidate, float]]
    table: list[dict]
    by_band: dict[str, tuple[int, float]] = field(default_factory=dict)

    def describe(self) -> dict:
        """Return blend and bands as plain data."""
        return {
            "blend": [c.describe() | {"weight": w} for c, w in self.blend],
            "ndcg_by_band": {
                band: {"students": students, "ndcg_10": value}
                for band, (students, value) in self.by_band.items()
            },
        }

    @classmethod
    def of(cls, described: dict, table: list[dict]) -> Choice:
        """Return the choice of what `describe` gives."""
        return cls(
            [(Candidate.of(c), c["weight"]) for c in described["blend"]],
            table,
            {
                band: (one["students"], one["ndcg_10"])
                for band, one in described["ndcg_by_band"].items()
            },
        )


def choose_next(samples: Iterable[Rows]) -> Choice | None:
    """Choose what foresees the last apps of all the samples' students best.

    Each sample, a district's, is learned from and validated by itself: the choice is
    what they have in common.

    Returns
    -------
    Choice or None
        None with fewer than FEWEST students whose apps have an order.
    """
    tasks = [task for task in map(next_task, samples) if task is not None]
    if sum(task.n_students for task in tasks) < FEWEST:
        return None
    parts = [part for task in tasks for part in task.parts]
    return choose(replace(tasks[0], parts=parts))


def choose(task: Task, joining: int = 2) -> Choice:
    """Search every candidate by NDCG@10, then blend the best of the members.

    Large problems are searched on a part first; the leaders are compared on all of it.
    Members within _ALIKE of the best are averaged: which of them is best is chance
    (+0.1 % on msstore and on OULAD against taking the best one, inside the training
    data). Up to `joining` others join, each at the weight that gains most,
    while it gains at least 0.2 %. SLIM is solved once for a blend: a second one gained
    nothing on msstore and OULAD. A blend of matrices fed the same history is one
    matrix.
    """
    first = task.narrow()
    quality = _qualities(first, task.candidates)
    if task.finer is not None:
        finer = task.finer(_leaders(quality, 12))
        quality |= _qualities(first, [c for c in finer if c not in quality])
    kept = {c: task.scores(c) for c in _by_solution(_leaders(quality, 12))}
    found = {c: _mean(task.quality(scores)) for c, scores in kept.items()}
    quality |= found
    order = _leaders(found, 8)
    members_best = {_kind(c): c for c in reversed(order)}.values()
    alike = [c for c in members_best if quality[c] >= (1 - _ALIKE) * quality[order[0]]]
    alike.sort(key=order.index)
    alike = [c for at, c in enumerate(alike) if not _is_other_slim(c, alike[:at])]
    blend = [(c, 1.0) for c in alike]
    current = [sum(scores) for scores in zip(*(kept[c] for c in alike), strict=True)]
    level = _mean(task.quality(current))
    while len(blend) < len(alike) + joining:
        best: tuple | None = None
        for candidate in order:
            chosen = [c for c, _ in blend]
            if candidate in chosen or _is_other_slim(candidate, chosen):
                continue
            for share in (0.15, 0.35, 0.8):
                weight = share * len(alike)
                mixed = [
                    a + weight * b
                    for a, b in zip(current, kept[candidate], strict=True)
                ]
                gained = _mean(task.quality(mixed))
                if best is None or gained > best[0]:
                    best = (gained, candidate, weight, mixed)
        if best is None or best[0] <= level * 1.002:
            break
        level, candidate, weight, current = best
        blend.append((candidate, weight))
    blended = {"member": "blend", "setting": {"members": len(blend)}, "ndcg_10": level}
    ranked = sorted(quality, key=lambda c: -quality[c])
    table = [c.describe() | {"ndcg_10": quality[c]} for c in ranked]
    return Choice(blend, [blended, *table], _by_band(task, current))


def _qualities(task: Task, candidates: list[Candidate]) -> dict[Candidate, float]:
    return {c: _mean(task.quality(task.scores(c))) for c in _by_solution(candidates)}


def _by_solution(candidates: list[Candidate]) -> list[Candidate]:
    """Put candidates with the same weights side by side: they are solved once."""
    first: dict[tuple, int] = {}
    for at, candidate in enumerate(candidates):
        first.setdefault(candidate.solved_by, at)
    return sorted(candidates, key=lambda c: first[c.solved_by])


def _is_other_slim(candidate: Candidate, chosen: list[Candidate]) -> bool:
    """Whether it would be a second SLIM to solve: each costs as much as many others."""
    solved = {c.solved_by for c in chosen if c.member == "slim"}
    return candidate.member == "slim" and not solved <= {candidate.solved_by}


def _mean(quality: np.ndarray) -> float:
    return float(np.nanmean(quality))


def _kind(candidate: Candidate) -> tuple:
    setting = dict(candidate.setting)
    return candidate.member, setting.get("even"), setting.get("centred", False)


def _leaders(quality: dict[Candidate, float], most: int) -> list[Candidate]:
    """Return the best of every member, decay and weight of students, best first."""
    leaders: dict[tuple, Candidate] = {}
    for candidate in sorted(quality, key=lambda c: -quality[c]):
        leaders.setdefault((*_kind(candidate), candidate.tau), candidate)
    return list(leaders.values())[:most]


def _by_band(task: Task, scores: list[np.ndarray]) -> dict[str, tuple[int, float]]:
    """Return students and NDCG@10 of every band of at least _FEWEST_TOLD students."""
    band = np.concatenate([p.histories.band for p in task.parts])
    value = task.quality(scores)
    known = ~np.isnan(value) & ~pd.isna(band)
    found = {}
    for name in sorted(set(band[known].astype(str))):
        own = known & (band == name)
        students = int(own.sum()) // task.times
        if students >= _FEWEST_TOLD:
            found[name] = (students, float(value[own].mean()))
    return found
