"""What districts configure: the seeds, read, checked as a whole, and typed.

`check` tells every problem of a folder of seeds; `load` returns the configuration or
refuses it. The rules stand here and nowhere else: `trackline check`, `trackline
onboard`, the build and the config tests of dbt all rely on them.
"""

from __future__ import annotations

from pathlib import Path

from trackline.config.configuration import Configuration
from trackline.config.problem import Problem
from trackline.config.reading import read_seed
from trackline.config.rows import SEEDS
from trackline.config.rules import cross_check
from trackline.settings import RefusedError

__all__ = ["Configuration", "Problem", "check", "load"]


def check(seeds: Path) -> list[Problem]:
    """Find everything that is wrong with the seeds.

    Parameters
    ----------
    seeds : Path
        The folder of the configuration CSVs.

    Returns
    -------
    list of Problem
        In the order of the files and their rows; empty when the seeds can be built.
    """
    return _read(seeds)[1]


def load(seeds: Path) -> Configuration:
    """Return the configuration that the seeds hold.

    Parameters
    ----------
    seeds : Path
        The folder of the configuration CSVs.

    Raises
    ------
    RefusedError
        If anything is wrong with them: one line per problem.
    """
    configuration, problems = _read(seeds)
    if problems:
        raise RefusedError("\n".join(str(problem) for problem in problems))
    return configuration


def _read(seeds: Path) -> tuple[Configuration, list[Problem]]:
    read = [read_seed(seeds, seed) for seed in SEEDS]
    problems = [problem for seed in read for problem in seed.problems]
    problems += cross_check({seed.row_type: seed for seed in read})
    order = {seed.FILE: place for place, seed in enumerate(SEEDS)}
    # sorted() is stable: two problems of one row stay in the order they were found
    problems = sorted(problems, key=lambda p: (order[p.file], p.row))
    return Configuration(*(tuple(seed.rows) for seed in read)), problems
