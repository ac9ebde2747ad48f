"""SQL has one form, which no review has to speak about."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_models_and_tests_are_as_sqlfmt_has_them():
    sqlfmt = Path(sys.executable).with_name("sqlfmt")
    run = subprocess.run(
        [sqlfmt, "--check", "--no-progressbar", "dbt_project"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
