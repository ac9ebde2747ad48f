"""What members are validated on: held-out students and held-out time.

Two tasks are validated, because they want different models:

complete
    which apps belong with a history, whatever the order: whole students are held out
    (folds by md5), part of each one's apps is hidden at random.
next
    which app comes next: the last fifth of every student's apps is hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import sparse

from trackline.recommender import members
from trackline.recommender.frames import FOLDS, Rows, stacked, student_hashes
from trackline.recommender.gram import Gram, Steps, blocks, directed_count, gram_of
from trackline.recommender.metrics import ndcg_of

__all__ = [
    "Candidate",
    "Part",
    "Task",
    "complete_task",
    "hide",
    "next_task",
    "spans_of",
    "split_last",
    "thin",
]

K = 10
LARGE = 300  # apps: above, a search takes fewer settings and holds one fold out
_CELLS = 1_000_000  # students x apps scored per setting: bounds the time of a search
_FIRST = 500_000  # the same for the first round of a large search
_TIMES = 5  # how often a student is asked at most
_TIMED = ("cosine", "rp3beta", "edlae", "slim", "directed", "walk")
# EDLAE's worst corner on OULAD: where there are bands its two places (even 0 and 1) are
# the centred matrix's, so that a search costs what it did
_DAMPED = {"ridge": 0.25, "dropout": 0.75}
_STEP_PAIRS = 6_000_000  # pairs of entries in the step moments: 1 s a setting


@dataclass(frozen=True)
class Candidate:
    """A member with its setting and the decay of the histories it is fed."""

    member: str
    setting: tuple[tuple[str, float], ...]
    tau: float | None = None

    @property
    def solved_by(self) -> tuple:
        """What the weights depend on: the decay is the history's, but with steps."""
        decay = self.tau if self.member == "steps" else None
        return self.member, self.setting, decay

    @classmethod
    def of(cls, described: dict) -> Candidate:
        """Return the candidate of what `describe` gives."""
        setting = tuple(described["setting"].items())
        return cls(described["member"], setting, described["tau_days"])

    def describe(self) -> dict:
        """Return the candidate as plain data."""
        return {
            "member": self.member,
            "setting": dict(self.setting),
            "tau_days": self.tau,
        }


@dataclass
class Part:
    """One training set with the students to be predicted from it."""

    gram: Gram
    histories: Rows
    wanted: sparse.csr_matrix
    source: Rows | None = None
    used: sparse.csr_matrix = field(init=False)

    def __post_init__(self) -> None:
        self.used = self.histories.matrix()
        self.n_wanted = np.diff(self.wanted.indptr)
        self._cache: dict = {}
        self.moments: dict = {}
        self.solved: dict[tuple, np.ndarray] = {}

    def first(self, share: float) -> Part:
        """Return the part with the first of the students to be predicted."""
        few = np.arange(int(np.ceil(share * len(self.n_wanted))))
        cut = Part(self.gram, self.histories.select(few), self.wanted[few], self.source)
        # the same training set
        cut.moments, cut.solved = self.moments, self.solved
        return cut

    def history(self, tau: float | None) -> sparse.csr_matrix:
        """Return decayed histories, kept: every member is fed the same few.

        In single precision, as are the scores: a search takes two thirds of the time.
        """
        if tau not in self._cache:
            self._cache[tau] = self.histories.history(tau).astype(np.float32)
        return self._cache[tau]

    def weights(self, candidate: Candidate) -> np.ndarray:
        """Return the candidate's B trained on this part."""
        setting = dict(candidate.setting)
        if candidate.member == "steps":
            key = candidate.tau, int(setting["ahead"])
            if key not in self.moments:
                self.moments[key] = Steps.of(self.source, *key)
            return members.steps(self.moments[key], setting["ridge"])
        return members.solve(candidate.member, self.gram, setting)

    def scores(self, candidate: Candidate) -> np.ndarray:
        """Return students x apps, the spread of a row about 1."""
        weights = self._once(candidate)
        scored = self.history(candidate.tau) @ weights
        return scored / (float(scored[:500].std(axis=1).mean()) or 1.0)

    def _once(self, candidate: Candidate) -> np.ndarray:
        """Return the weights in single precision, the last ones and SLIM's kept."""
        if candidate.solved_by not in self.solved:
            for other in [key for key in self.solved if key[0] != "slim"]:
                del self.solved[other]
            weights = self.weights(candidate).astype(np.float32)
            self.solved[candidate.solved_by] = weights
        return self.solved[candidate.solved_by]

    def quality(self, scores: np.ndarray) -> np.ndarray:
        """Return NDCG@10 per student; used apps do not count."""
        ranked = scores.copy()
        rows = np.repeat(np.arange(len(ranked)), np.diff(self.used.indptr))
        ranked[rows, self.used.indices] = -np.inf
        return ndcg_of(ranked, self.wanted, K)


@dataclass
class Task:
    """The parts of one validation and what is tried on them.

    Attributes
    ----------
    name : str
    parts : list of Part
    candidates : list of Candidate
        The first round.
    times : int
        How often every student stands in the parts, with other apps hidden.
    finer : callable, optional
        What to try next, given the leaders of the first round.
    are_folds : bool
        Whether the parts are folds of one district: the first tells most of it.
    """

    name: str
    parts: list[Part]
    candidates: list[Candidate]
    times: int = 1
    finer: Callable[[list[Candidate]], list[Candidate]] | None = None
    are_folds: bool = False

    @property
    def n_students(self) -> int:
        """Students validated on."""
        return sum(len(part.n_wanted) for part in self.parts) // self.times

    def narrow(self) -> Task:
        """Return the task cut to about _FIRST students x apps.

        Of folds the first is kept; districts keep a share each, for they differ.
        """
        widest = max(part.wanted.shape[1] for part in self.parts)
        limit = max(_FIRST // max(widest, 1), 1000)
        if self.n_students <= limit:
            return self
        kept = self.parts[:1] if self.are_folds else self.parts
        share = min(limit / sum(len(part.n_wanted) for part in kept), 1.0)
        return replace(self, parts=[part.first(share) for part in kept])

    def scores(self, candidate: Candidate) -> list[np.ndarray]:
        """Return the scores of every part."""
        return [part.scores(candidate) for part in self.parts]

    def quality(self, scores: list[np.ndarray]) -> np.ndarray:
        """Return NDCG@10 of all students of all parts."""
        return np.concatenate(
            [p.quality(s) for p, s in zip(self.parts, scores, strict=True)]
        )


def thin(grid: list, n_apps: int) -> list:
    """Take fewer settings where one costs more: a solve is n_apps^3."""
    step = 1 if n_apps <= LARGE else 2 if n_apps <= 1500 else 4
    return grid[step // 2 :: step]


def _capped(rows: Rows, limit: int) -> Rows:
    lengths = rows.lengths
    pairs = np.cumsum(lengths * np.minimum(lengths, 64) / 2)
    return rows.select(np.flatnonzero(pairs <= max(limit, pairs[0])))


def _candidates(names: tuple[str, ...], gram: Gram, tau=None) -> Iterator:
    n_apps = len(gram.pair)
    for name in names:
        if name == "slim" and n_apps > 1000:
            continue
        if name in ("directed", "walk") and gram.directed is None:
            continue
        # SLIM costs as much as many solves: it is thinned at a quarter of the size
        size = 4 * n_apps if name == "slim" else n_apps
        for setting in thin(members.GRIDS[name], size) or members.GRIDS[name]:
            if (
                gram.n_bands > 1
                and name == "edlae"
                and _DAMPED.items() <= setting.items()
            ):
                continue
            yield Candidate(name, tuple(setting.items()), tau)


def _centred(leaders: list[Candidate], gram: Gram) -> list[Candidate]:
    """Give the best plain EDLAE around the means of bands, damped less and more.

    Nothing where all students are of one band, or of none that is known.
    """
    plain = [
        c for c in leaders if c.member == "edlae" and dict(c.setting)["even"] == 0
    ][:1]
    return [
        replace(c, setting=tuple(setting.items()))
        for c in (plain if gram.n_bands > 1 else [])
        for dropout in (0.25, 0.75)
        for setting in [dict(c.setting) | {"dropout": dropout, "centred": True}]
    ]


def hide(rows: Rows, rng: np.random.Generator) -> np.ndarray:
    """Tell which rows are hidden: a random 20 to 50 % of every student's apps."""
    hidden_share = rng.uniform(0.2, 0.5, len(rows.students))
    draw = rng.random(len(rows.student))
    # the rank of the draw within the student: exactly so many are hidden
    order = np.lexsort((draw, rows.student))
    lengths = rows.lengths
    starts = np.cumsum(lengths) - lengths
    rank = np.empty(len(order), int)
    rank[order] = np.arange(len(order)) - np.repeat(starts, lengths)
    n_hidden = np.maximum(1, np.floor(hidden_share * lengths))
    return (rank < n_hidden[rows.student]) & (lengths[rows.student] >= 2)


def complete_task(total: Gram, sample: Rows, seed: int) -> Task:
    """Hold out whole students: fold by md5, part of the apps hidden.

    Where students are few, each is asked several times, with other apps hidden: what is
    hidden by chance then weighs less in the choice.
    """
    fold = student_hashes(sample.students) % FOLDS
    n_apps = len(sample.apps)
    rng = np.random.default_rng(seed)
    lengths = sample.lengths
    limit = max(_CELLS // max(n_apps, 1), 2000)
    # a solve is n_apps^3: large problems hold one fold out, the one with most students
    largest = int(np.bincount(fold, minlength=FOLDS).argmax())
    folds = range(FOLDS) if n_apps <= LARGE else (largest,)
    asked = np.isin(fold, folds) & (lengths >= 2)
    times = int(np.clip(limit // max(asked.sum(), 1), 1, _TIMES))
    masks = [hide(sample, rng) for _ in range(times)]
    parts = []
    for number in folds:
        chosen = np.flatnonzero(asked & (fold == number))[: limit // len(folds)]
        if not len(chosen):
            continue
        held = sample.select(np.flatnonzero(fold == number))
        train = total.plus(gram_of(blocks(held), n_apps), -1.0)
        keep = np.isin(sample.student, chosen)
        shown = [sample.filter(keep & ~mask).select(chosen) for mask in masks]
        wanted = [sample.filter(keep & mask).select(chosen).matrix() for mask in masks]
        parts.append(Part(train, stacked(shown), sparse.vstack(wanted, format="csr")))
    names = ("popularity", "cosine", "rp3beta", "edlae", "slim")
    return Task(
        "complete",
        parts,
        list(_candidates(names, total)),
        times,
        lambda leaders: _centred(leaders, total),
        are_folds=True,
    )


def split_last(rows: Rows, share: float = 0.2) -> np.ndarray:
    """Tell which rows are among the last fifth (at least one) of a student's apps."""
    lengths = rows.lengths
    starts = np.cumsum(lengths) - lengths
    position = np.arange(len(rows.student)) - starts[rows.student]
    n_last = np.maximum(1, np.floor(share * lengths))
    n_last[lengths < 2] = 0
    return position >= (lengths - n_last)[rows.student]


def spans_of(rows: Rows) -> np.ndarray:
    """Return the days from a student's first app to the last, where they differ."""
    if rows.first is None:
        return np.empty(0)
    latest = np.full(len(rows.students), -np.inf)
    np.maximum.at(latest, rows.student, rows.first)
    earliest = np.full(len(rows.students), np.inf)
    np.minimum.at(earliest, rows.student, rows.first)
    spans = latest - earliest
    return spans[spans > 0]


def next_task(sample: Rows) -> Task | None:
    """Hide the last fifth of every student; None where no order is known."""
    spans = spans_of(sample)
    if not len(spans):
        return None
    late = split_last(sample)
    span = float(np.median(spans))
    early = sample.filter(~late)
    n_apps = len(sample.apps)
    limit = max(_CELLS // max(n_apps, 1), 2000)
    chosen = np.flatnonzero(sample.lengths >= 2)[:limit]
    source = _capped(early, _STEP_PAIRS)
    gram = gram_of(blocks(early), n_apps, directed_count(source))
    keep = np.isin(sample.student, chosen)
    part = Part(
        gram,
        sample.filter(keep & ~late).select(chosen),
        sample.filter(keep & late).select(chosen).matrix(),
        source,
    )
    candidates = list(_candidates(("popularity",), gram))
    for share in (None, 3.0, 10.0, 40.0):
        tau = None if share is None else span / share
        for name in _TIMED:
            grid = list(_candidates((name,), gram, tau))
            few = grid[1 :: max(len(grid) // 2, 1)]
            # SLIM costs as much as many solves
            candidates += few[-1:] if name == "slim" else few
    for setting in thin(members.STEP_GRID, n_apps):
        kept = {"ahead": setting["ahead"], "ridge": setting["ridge"]}
        candidates.append(
            Candidate("steps", tuple(kept.items()), span / setting["share"])
        )

    def finer(leaders: list[Candidate]) -> list[Candidate]:
        best = [c for c in leaders if c.member in _TIMED][:2]
        found = [x for c in best for x in _candidates((c.member,), gram, c.tau)]
        return found + _centred(best, gram)

    return Task("next", [part], candidates, finer=finer)
