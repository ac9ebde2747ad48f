"""A folder of right seeds that a test may spoil."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from trackline.config import Problem, check
from trackline.settings import ROOT


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    """Make a copy of the repository's seeds."""
    folder = tmp_path / "seeds"
    shutil.copytree(ROOT / "seeds", folder)
    return folder


@pytest.fixture
def replace(seeds: Path) -> Callable[..., list[Problem]]:
    """Replace a text that stands once in a seed, and check the folder."""

    def change(file: str, old: str, new: str) -> list[Problem]:
        path = seeds / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
        path.write_text(text.replace(old, new), encoding="utf-8", newline="")
        return check(seeds)

    return change
