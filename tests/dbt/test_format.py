"""SQL has one form, which no review has to speak about."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SQLFMT = ROOT / ".venv" / "sqlfmt" / "bin" / "sqlfmt"


@pytest.mark.skipif(
    not SQLFMT.exists(), reason="`make lint` and `make test` install it"
)
def test_models_and_tests_are_as_sqlfmt_has_them():
    run = subprocess.run(
        [SQLFMT, "--check", "--no-progressbar", "dbt_project"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
