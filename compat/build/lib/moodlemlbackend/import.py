"""Import: `python -m moodlemlbackend.import UNIQUEID DIRECTORY SOURCE`."""

import sys
from pathlib import Path

from ._command import limits, locked, main
from ._engine import service


def import_(uniqueid: str, directory: str, source: str) -> dict[str, object]:
    """Replace the model by the files of the source directory."""
    paths = [path for path in Path(source).iterdir() if path.is_file()]
    if sum(path.stat().st_size for path in paths) > limits.max_zip_bytes:
        raise ValueError("The import is too large")
    with locked(directory) as folder:
        service.import_model(folder, {path.name: path.read_bytes() for path in paths})
    print("Ok\nOk")
    sys.exit(0)


if __name__ == "__main__":
    main("uniqueid directory source", import_)
