"""Small districts that share their settings, against those that search their own.

The real students of a set are dealt out to districts of one size; of each student the
last fifth of the apps is hidden, as a build would have to foresee it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from trackline.recommender import Options, Recommender
from trackline.recommender.cold import BandPopularity
from trackline.recommender.frames import Rows
from trackline.recommender.gram import blocks, gram_of
from trackline.recommender.metrics import ndcg_of, paired_bootstrap
from trackline.recommender.selection import Choice, choose_next
from trackline.recommender.settings import Small
from trackline.recommender.tasks import split_last
from trackline.recommender.threads import one_thread

SIZES = (15, 30, 60, 100, 250, 600)


@dataclass
class District:
    """What is known of a district's students, and what they used after it."""

    early: Rows
    wanted: sparse.csr_matrix

    @classmethod
    def of(cls, rows: Rows) -> District:
        """Hide the last fifth; the catalogue is what the district ever used."""
        known, app = np.unique(rows.app, return_inverse=True)
        rows = replace(rows, apps=rows.apps[known], app=app)
        late = split_last(rows)
        return cls(rows.filter(~late), rows.filter(late).matrix())

    def quality(self, choice: Choice | None) -> np.ndarray:
        """Return NDCG@10 per student; without a choice the district searches one."""
        early = self.early
        model = Recommender(random_state=0).fit_gram(
            gram_of(blocks(early), len(early.apps)),
            early,
            BandPopularity.of(early),
            choices=choice and {"next": choice},
            known_only=True,
        )
        scores = model.score(early, model.scorers_[model.task_of(early)])
        scores[early.student, early.app] = -np.inf
        return ndcg_of(scores, self.wanted, 10)


def dealt(rows: Rows, course: np.ndarray, size: int) -> list[District]:
    """Deal out the students of every course to districts of about one size."""
    rng = np.random.default_rng(1)
    found = []
    for one in np.unique(course):
        students = rng.permutation(np.flatnonzero(course == one))
        parts = np.array_split(students, max(round(len(students) / size), 1))
        found += [District.of(rows.select(np.sort(part))) for part in parts]
    # of districts of one size the first are searched: they are not to be of one course
    return [found[i] for i in rng.permutation(len(found))]


def compare(name: str, rows: Rows, course: np.ndarray) -> list[str]:
    """Return the lines of one set; `course` groups its students."""
    lines = []
    for size in SIZES:
        districts = dealt(rows, course, size)
        if len(districts) < 2:
            continue
        with one_thread():
            began = time.process_time()
            own = np.concatenate([one.quality(None) for one in districts])
            alone = time.process_time()
            sizes = {i: len(one.early.students) for i, one in enumerate(districts)}
            apps = {i: len(one.early.apps) for i, one in enumerate(districts)}
            searched = Small.of(sizes, apps, Options()).searched
            choice = choose_next([districts[i].early for i in searched])
            shared = np.concatenate([one.quality(choice) for one in districts])
            together = time.process_time()
        mean, low, high = paired_bootstrap(shared, own)
        cells = (
            name, f"{len(districts)} of {len(own) / len(districts):.0f}", len(searched),
            f"{np.nanmean(own):.4f}", f"{np.nanmean(shared):.4f}",
            f"{mean:+.4f} ({low:+.4f} to {high:+.4f})",
            f"{alone - began:.1f}", f"{together - alone:.1f}",
        )  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
        print(lines[-1], flush=True)
    return lines
