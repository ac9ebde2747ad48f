"""The protocol's operations and answers (PROTOCOL sections 1.3 to 1.6), without HTTP.

Used by the server and by the command-line twin, so that both answer alike. Trouble with
a model or its data is never an exception: it is an answer with a status and a sentence.

What learns and evaluates is imported where it is used: a command that only predicts is
spared scikit-learn: 1.5 CPU seconds and 160 MB.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import numpy as np

from .archive import pack, unpack
from .dataset import Dataset, DatasetError, MissingClassError, read_dataset
from .limits import Deadline, LimitError, Limits
from .model import ARRAYS, DESCRIPTION, Classifier, ModelError
from .statuses import GENERAL_ERROR, NO_DATASET, NOT_ENOUGH_DATA, OK
from .storage import ChangedError, ModelFolder, Rows, State, UploadError

if TYPE_CHECKING:
    from .evaluation import Evaluation

__all__ = ["UNTRAINED", "evaluate", "export_model", "import_model", "predict", "train"]

Answer = dict[str, object]

MISSING_CLASSES = "Training data needs to include samples belonging to all classes"
UNTRAINED = "Provided model have not been trained yet"
WRONG_LABELS = (
    "The labels from the provided dataset do not match the targetclasses "
    "from the header"
)
OTHER_CLASSES = "The model was trained with other targetclasses"
NOT_UPLOADED = "Can't upload classifier to S3."
NO_ROWS = "The dataset has no rows"
_UNUSABLE = (DatasetError, LimitError, ModelError)


class _RefusedError(ValueError):
    """The request cannot be served: a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def _trouble(error: Exception) -> Answer:
    status = getattr(error, "status", GENERAL_ERROR)
    return {"status": status, "info": [], "errors": str(error)}


def train(folder: ModelFolder, file: IO[bytes], limits: Limits) -> Answer:
    """Learn from a labelled dataset and from all rows of earlier trainings.

    The caller holds the model's lock.
    """
    deadline = Deadline(limits.work_seconds)
    try:
        dataset = read_dataset(file, labelled=True, limits=limits)
        if not len(dataset.labels):
            raise MissingClassError
        if not np.isin(dataset.labels, dataset.classes).all():
            raise _RefusedError(GENERAL_ERROR, WRONG_LABELS)
        while True:
            state, version = folder.read()
            new = _learn(state, dataset, limits, deadline)
            try:
                folder.write(new, version)
            except ChangedError:  # another machine was faster: learn from its rows too
                deadline.check()
                continue
            return {"status": OK, "info": []}
    except MissingClassError:
        return _trouble(_RefusedError(NOT_ENOUGH_DATA, MISSING_CLASSES))
    except UploadError:
        return _trouble(_RefusedError(GENERAL_ERROR, NOT_UPLOADED))
    except (_RefusedError, *_UNUSABLE) as error:
        return _trouble(error)


def _learn(
    state: State | None, dataset: Dataset, limits: Limits, deadline: Deadline
) -> State:
    from .learner import fit

    rows = Rows(dataset.features, dataset.labels)
    inherited = None
    if state is not None:
        if state.classifier.classes != dataset.classes:
            raise _RefusedError(GENERAL_ERROR, OTHER_CLASSES)
        rows = Rows(_aligned(dataset, state.classifier), dataset.labels)
        if state.rows is None:
            inherited = state.classifier
        else:
            inherited = state.inherited
            rows = state.rows.followed_by(rows, limits.kept_cells)
    columns = state.classifier.columns if state else dataset.columns
    own = fit(rows.features, rows.labels, dataset.classes, columns, deadline.check)
    return State(own.joined(inherited) if inherited else own, rows, inherited)


def _aligned(dataset: Dataset, classifier: Classifier) -> np.ndarray:
    """Return the dataset's features in the order of the model's columns."""
    known, given = classifier.columns, dataset.columns
    if given == known:
        return dataset.features
    if len(given) != len(known):
        raise DatasetError(
            f"The model was trained with {len(known)} features, "
            f"the dataset has {len(given)}"
        )
    if set(given) != set(known) or len(set(given)) != len(given):
        raise DatasetError("The model was trained with features of other names")
    return dataset.features[:, [given.index(name) for name in known]]


def predict(folder: ModelFolder, file: IO[bytes], limits: Limits) -> Answer:
    """Predict an unlabelled dataset: rows of sample id, class and score, as strings."""
    try:
        classifier = folder.classifier()
        if classifier is None:
            return {"status": NO_DATASET, "info": [UNTRAINED]}
        dataset = read_dataset(file, labelled=False, limits=limits)
        if not dataset.sample_ids:
            raise _RefusedError(NOT_ENOUGH_DATA, NO_ROWS)
        classes, scores = classifier.predict(_aligned(dataset, classifier))
    except (_RefusedError, *_UNUSABLE) as error:
        return _trouble(error)
    answers = zip(dataset.sample_ids, classes.tolist(), scores.tolist(), strict=True)
    predictions = [[sample, str(value), str(score)] for sample, value, score in answers]
    return {"status": OK, "info": [], "predictions": predictions}


def evaluate(
    folder: ModelFolder,
    file: IO[bytes],
    limits: Limits,
    *,
    min_score: float,
    accepted_deviation: float,
    iterations: int,
    trained: ModelFolder | None = None,
) -> Answer:
    """Rate the learner, or the model of `trained`, on a labelled dataset.

    Only the log of this run is written; no model is touched.
    """
    from .evaluation import verdict
    from .report import evaluation_files, refusal_files

    runid = folder.reserve_run()
    try:
        result = _rated(file, limits, iterations, trained)
        answer = verdict(result, min_score, accepted_deviation)
        files = evaluation_files(result, answer)
    except (_RefusedError, *_UNUSABLE) as error:
        status = getattr(error, "status", GENERAL_ERROR)
        answer = {"status": status, "info": [str(error)]}
        files = refusal_files(answer)
    folder.write_run(runid, files)
    return {**answer, "dir": f"{folder.path}/logs/{runid}", "runid": runid}


def _rated(
    file: IO[bytes], limits: Limits, iterations: int, trained: ModelFolder | None
) -> Evaluation:
    from . import evaluation

    if not 1 <= iterations <= limits.max_iterations:
        raise _RefusedError(
            GENERAL_ERROR, f"niterations must be between 1 and {limits.max_iterations}"
        )
    dataset = read_dataset(file, labelled=True, limits=limits)
    if set(dataset.labels.tolist()) != set(dataset.classes):
        raise _RefusedError(GENERAL_ERROR, WRONG_LABELS)
    classifier = None
    if trained is not None:
        classifier = trained.classifier()
        if classifier is None:
            raise _RefusedError(NO_DATASET, UNTRAINED)
        if set(classifier.classes) != set(dataset.classes):
            raise _RefusedError(GENERAL_ERROR, OTHER_CLASSES)
        features = _aligned(dataset, classifier)
        dataset = Dataset(classifier.columns, features, dataset.classes, dataset.labels)
    deadline = Deadline(limits.work_seconds)
    return evaluation.evaluate(dataset, iterations, deadline, classifier)


def export_model(folder: ModelFolder) -> dict[str, bytes] | None:
    """Return the model's files, without rows; None if there is no model.

    Raises
    ------
    ModelError
        If the stored model is damaged.
    """
    classifier = folder.classifier()
    return None if classifier is None else classifier.to_files()


def import_model(folder: ModelFolder, files: dict[str, bytes]) -> None:
    """Replace the model by exported files. The caller holds the model's lock.

    Raises
    ------
    ModelError
        If the files are anything but one whole model.
    UploadError
        If S3 does not take it.
    """
    if set(files) != {DESCRIPTION, ARRAYS}:
        raise ModelError(f"An import holds {DESCRIPTION} and {ARRAYS} and nothing else")
    folder.overwrite(State(Classifier.from_files(files)))


def export_zip(folder: ModelFolder) -> bytes | None:
    """Do `export_model`, as a zip."""
    files = export_model(folder)
    return None if files is None else pack(files)


def import_zip(folder: ModelFolder, packed: bytes, limits: Limits) -> None:
    """Do `import_model` from a zip; raises ArchiveError too."""
    import_model(folder, unpack(packed, limits))
