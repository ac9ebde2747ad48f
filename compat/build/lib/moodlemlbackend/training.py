"""Train: `python -m moodlemlbackend.training UNIQUEID DIRECTORY DATASET`."""

from ._command import limits, locked, main
from ._engine import service


def train(uniqueid: str, directory: str, dataset: str) -> dict[str, object]:
    """Train the model in the directory."""
    with locked(directory) as folder, open(dataset, "rb") as file:
        return service.train(folder, file, limits)


if __name__ == "__main__":
    main("uniqueid directory dataset", train)
