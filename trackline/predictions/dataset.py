"""The protocol's dataset: a CSV with three header lines, read and written.

Line 1 names metadata, line 2 holds their values, line 3 names the columns. Labelled
rows end in the class; unlabelled rows begin with `<sampleid>-<rangeindex>`. Quoting is
that of PHP's fputcsv. An empty cell is an indicator without a value and counts as 0.
"""

from __future__ import annotations

import array
import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

import numpy as np

from .limits import LimitError, Limits

__all__ = [
    "Dataset",
    "DatasetError",
    "MissingClassError",
    "read_dataset",
    "write_dataset",
]

_QUOTED = frozenset(' ,"\\\n\r\t')
LINE_CHARACTERS = 1 << 20
"""A line longer than this would cost much memory before its cells are counted."""

_NO_HEADER = (
    "The dataset needs three header lines: metadata names, values and column names"
)


class DatasetError(ValueError):
    """The file is no dataset of the protocol: one sentence that says why."""


class MissingClassError(ValueError):
    """The rows do not have every class."""


@dataclass(frozen=True)
class Dataset:
    """One dataset.

    Attributes
    ----------
    columns : tuple of str
        Feature names, in order.
    features : ndarray of float32, shape (n, len(columns))
        Values; 0 where the cell was empty.
    classes : tuple of int
        The target's classes as the header gives them; empty if it does not.
    labels : ndarray of int, shape (n,), or None
        Class of each row, of a labelled dataset.
    sample_ids : tuple of str or None
        `<sampleid>-<rangeindex>` of each row, of an unlabelled dataset.
    metadata : dict
        The first two header lines.
    target : str
        Name of the target column of a labelled dataset.
    """

    columns: tuple[str, ...]
    features: np.ndarray
    classes: tuple[int, ...] = ()
    labels: np.ndarray | None = None
    sample_ids: tuple[str, ...] | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    target: str = "target"


def read_dataset(
    file: IO[bytes], *, labelled: bool, limits: Limits | None = None
) -> Dataset:
    """Read a dataset.

    Parameters
    ----------
    file : binary file
        The CSV, UTF-8; it is left open.
    labelled : bool
        Whether rows end in a class (training, evaluation) or begin with a sample id.
    limits : Limits, optional
        Bounds on rows, columns and cells.

    Raises
    ------
    DatasetError
        If the file is no such dataset.
    LimitError
        If it goes beyond the limits.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        return _read(csv.reader(_lines(text)), labelled, limits or Limits())
    except (csv.Error, UnicodeDecodeError):
        raise DatasetError("The dataset is not a readable UTF-8 CSV file") from None
    finally:
        text.detach()


def _lines(text: io.TextIOBase) -> Iterator[str]:
    while line := text.readline(LINE_CHARACTERS):
        if len(line) == LINE_CHARACTERS:
            raise LimitError(
                f"The dataset has a line of more than {LINE_CHARACTERS} characters"
            )
        yield line


def _read(lines: Iterator[list[str]], labelled: bool, limits: Limits) -> Dataset:
    rows = (line for line in lines if line)
    header = list(itertools.islice(rows, 3))
    if len(header) < 3 or len(header[0]) != len(header[1]):
        raise DatasetError(_NO_HEADER)
    metadata = dict(zip(header[0], header[1], strict=True))
    names = header[2]
    width = len(names)
    if width - 1 > limits.max_columns:
        raise LimitError(f"The dataset has more than {limits.max_columns} columns")
    columns = tuple(names[:-1] if labelled else names[1:])
    if not columns:
        raise DatasetError("The dataset has no feature columns")
    _check_feature_count(metadata, len(columns))
    classes = _classes(metadata.get("targetclasses"), required=labelled)
    if len(classes) > limits.max_classes:
        raise LimitError(f"The target has more than {limits.max_classes} classes")

    cells = array.array("f")
    extra: list[str] = []
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise DatasetError(f"Row {number} has {len(row)} cells instead of {width}")
        if number > limits.max_rows or len(cells) > limits.max_cells:
            raise LimitError(
                f"The dataset has more than {limits.max_rows} rows "
                f"or {limits.max_cells} cells"
            )
        extra.append(row[-1] if labelled else row[0])
        try:
            values = row[:-1] if labelled else row[1:]
            cells.extend([float(cell) if cell else 0.0 for cell in values])
        except (ValueError, OverflowError):
            raise DatasetError(
                f"Row {number} holds a value that is no number"
            ) from None
    features = np.array(cells, dtype=np.float32).reshape(len(extra), len(columns))
    if not np.isfinite(features).all():
        raise DatasetError("The dataset holds a value that is not finite")
    return Dataset(
        columns=columns,
        features=features,
        classes=classes,
        labels=_labels(extra) if labelled else None,
        sample_ids=None if labelled else tuple(extra),
        metadata=metadata,
        target=names[-1] if labelled else "",
    )


def _check_feature_count(metadata: dict[str, str], count: int) -> None:
    told = metadata.get("nfeatures")
    if told is not None and told.strip() != str(count):
        raise DatasetError(
            f"The header promises {told[:20]} features, the columns are {count}"
        )


def _classes(text: str | None, required: bool) -> tuple[int, ...]:
    if text is None and not required:
        return ()
    try:
        classes = tuple(_whole(value) for value in json.loads(text or ""))
    except (ValueError, TypeError, OverflowError, RecursionError):
        if not required:
            return ()
        raise DatasetError("The header needs targetclasses, such as [0,1]") from None
    if required and (len(classes) < 2 or len(set(classes)) < len(classes)):
        raise DatasetError("The header needs at least two different targetclasses")
    return classes


def _labels(texts: Sequence[str]) -> np.ndarray:
    try:
        return np.array([_whole(text) for text in texts], dtype=np.int64)
    except (ValueError, OverflowError):
        raise DatasetError("The last column must hold whole-number classes") from None


def _whole(value: object) -> int:
    number = float(value)  # type: ignore[arg-type]
    if not number.is_integer() or abs(number) > 2**53:
        raise ValueError(value)
    return int(number)


def write_dataset(dataset: Dataset) -> bytes:
    """Write a dataset as Moodle does; the inverse of `read_dataset`.

    A value that is NaN becomes an empty cell. The header's nfeatures and
    targetclasses are always those of the dataset.
    """
    metadata = {
        **dataset.metadata,
        "nfeatures": str(len(dataset.columns)),
        "targetclasses": json.dumps(list(dataset.classes), separators=(",", ":")),
    }
    lines: list[Iterable[str]] = [metadata.keys(), metadata.values()]
    values = [[_number(value) for value in row] for row in dataset.features.tolist()]
    if dataset.labels is not None:
        lines.append((*dataset.columns, dataset.target))
        labels = dataset.labels.tolist()
        lines += [(*row, str(y)) for row, y in zip(values, labels, strict=True)]
    else:
        ids = dataset.sample_ids or ()
        lines.append(("sampleid", *dataset.columns))
        lines += [(i, *row) for i, row in zip(ids, values, strict=True)]
    return "".join(",".join(map(_quote, line)) + "\n" for line in lines).encode()


def _number(value: float) -> str:
    return "" if value != value else format(value, ".7g")


def _quote(text: str) -> str:
    if _QUOTED.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'
