"""Evaluate: arguments UNIQUEID DIRECTORY DATASET MINSCORE MAXDEVIATION NITERATIONS.

A seventh argument, the directory of a trained model, has that model rated instead.
"""

from ._command import folder, limits, main
from ._engine import service


def evaluate(
    uniqueid: str,
    directory: str,
    dataset: str,
    minscore: str,
    maxdeviation: str,
    niterations: str,
    trained: str = "",
) -> dict[str, object]:
    """Evaluate, leaving the log in the directory."""
    with open(dataset, "rb") as file:
        return service.evaluate(
            folder(directory),
            file,
            limits,
            min_score=float(minscore),
            accepted_deviation=float(maxdeviation),
            iterations=int(niterations),
            trained=folder(trained) if trained else None,
        )


if __name__ == "__main__":
    main(
        "uniqueid directory dataset minscore maxdeviation niterations [trained]",
        evaluate,
    )
