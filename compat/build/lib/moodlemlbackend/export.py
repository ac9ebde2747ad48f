"""Export: `python -m moodlemlbackend.export UNIQUEID DIRECTORY TARGET`."""

import sys
from pathlib import Path

from ._command import folder, main
from ._engine import service


def export(uniqueid: str, directory: str, target: str) -> dict[str, object]:
    """Write the model's files to the target directory and print its name."""
    files = service.export_model(folder(directory))
    if files is None:
        raise ValueError("There is nothing to export.")
    Path(target).mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        Path(target, name).write_bytes(content)
    print(target)
    sys.exit(0)


if __name__ == "__main__":
    main("uniqueid directory target", export)
