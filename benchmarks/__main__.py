"""`make bench`: every comparison that fits a working machine, one after the other."""

from __future__ import annotations

import subprocess
import sys
import tempfile

PARTS = (
    ("benchmarks.daily_pull", "--rows", "20e6", "--peers", "--write"),
    ("benchmarks.recommender", "accuracy"),
    ("benchmarks.insights", "cost"),
    ("benchmarks.server",),
)

for module, *arguments in PARTS:
    with tempfile.TemporaryDirectory() as folder:
        if module == "benchmarks.daily_pull":
            arguments = [*arguments, "--folder", f"{folder}/pull"]
        subprocess.run([sys.executable, "-m", module, *arguments], check=True)
