"""Predict: `python -m moodlemlbackend.prediction UNIQUEID DIRECTORY DATASET`."""

from ._command import folder, limits, main
from ._engine import service


def predict(uniqueid: str, directory: str, dataset: str) -> dict[str, object]:
    """Predict with the model in the directory."""
    with open(dataset, "rb") as file:
        return service.predict(folder(directory), file, limits)


if __name__ == "__main__":
    main("uniqueid directory dataset", predict)
