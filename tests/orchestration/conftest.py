"""The dbt manifest that definitions need, made once for the tests of this folder."""

from __future__ import annotations

import sys

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory):
    """Build the code location of a fresh clone: no manifest, no warehouse."""
    folder = tmp_path_factory.mktemp("location")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBT_TARGET_PATH", str(folder / "target"))
        patch.setenv("DBT_LOG_PATH", str(folder / "target"))
        for name in ("SEEDS", "ENVIRONMENT", "NIGHTLY_AT", "DBT_TARGET"):
            patch.delenv(f"TRACKLINE_{name}", raising=False)
        patch.setenv("TRACKLINE_WAREHOUSE", str(folder / "warehouse.duckdb"))
        patch.chdir(ROOT)
        patch.delitem(sys.modules, "orchestration.definitions", raising=False)
        from orchestration.location import build_definitions

        yield build_definitions()
