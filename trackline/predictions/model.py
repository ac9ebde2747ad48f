"""A fitted classifier as plain arrays: what it predicts, and how it is stored.

Stored are `model.json` (what it is, and the digest of the arrays) and `model.npz`
(numbers only; NumPy reads it with pickling forbidden). Both are checked as a stranger's
files before use: a model may come from another site's export.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import dataclass, field, fields

import numpy as np

__all__ = ["ARRAYS", "DESCRIPTION", "Classifier", "Member", "ModelError"]

DESCRIPTION = "model.json"
ARRAYS = "model.npz"
FORMAT = {"format": "trackline-classifier", "version": 1}
MAX_MEMBERS = 8
MAX_ARRAY_BYTES = 64 * 1024**2
CHUNK_ROWS = 1024
CHILDLESS = -1
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    MemoryError,
)


class ModelError(ValueError):
    """The files hold no model that can be used: one sentence that says why."""


@dataclass(frozen=True)
class Member:
    """One fit: a linear model and, for larger data, trees that also see its score.

    Attributes
    ----------
    kept : ndarray of int, shape (d,)
        Columns that varied when it was fitted.
    mean, scale : ndarray, shape (d,)
        Standardisation of these columns for the linear model.
    coef, intercept : ndarray, shape (k, d) and (k,)
        Linear model of the k classes; class 0 has zeros.
    weights : ndarray, shape (2,)
        How much the linear and the trees' log-odds count in the sum.
    baseline : ndarray, shape (k,)
        Log-odds from which the trees start.
    roots, tree_class : ndarray of int, shape (t,)
        First node and class of each tree; none without trees.
    feature, threshold, left, right, value : ndarray, shape (nodes,)
        A row goes left where feature <= threshold. Leaves have left = -1. Features
        d and up are the linear log-odds of class 1 and up.
    """

    kept: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray
    weights: np.ndarray = field(default_factory=lambda: np.array([1.0, 0.0]))
    baseline: np.ndarray = field(default_factory=lambda: np.zeros(0))
    roots: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    tree_class: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    feature: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    threshold: np.ndarray = field(default_factory=lambda: np.zeros(0))
    left: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    right: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    value: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return log-odds, shape (n, k), for all columns, shape (n, columns)."""
        varied = features[:, self.kept].astype(np.float64)
        linear = (varied - self.mean) / self.scale @ self.coef.T + self.intercept
        if not len(self.roots):
            return self.weights[0] * linear
        seen = np.hstack([varied, linear[:, 1:]])
        return self.weights[0] * linear + self.weights[1] * self._trees(seen)

    def _trees(self, seen: np.ndarray) -> np.ndarray:
        total = np.tile(self.baseline, (len(seen), 1))
        belongs = np.zeros((len(self.roots), len(self.intercept)))
        belongs[np.arange(len(self.roots)), self.tree_class] = 1.0
        for start in range(0, len(seen), CHUNK_ROWS):
            rows = seen[start : start + CHUNK_ROWS]
            node = np.tile(self.roots, (len(rows), 1))
            index = np.arange(len(rows))[:, None]
            while True:
                inner = self.left[node] != CHILDLESS
                if not inner.any():
                    break
                goes_left = rows[index, self.feature[node]] <= self.threshold[node]
                child = np.where(goes_left, self.left[node], self.right[node])
                node = np.where(inner, child, node)
            total[start : start + CHUNK_ROWS] += self.value[node] @ belongs
        return total

    def check(self, columns: int, classes: int) -> None:
        """Raise ModelError unless every shape, index and number is possible."""
        d, nodes, trees = len(self.kept), len(self.feature), len(self.roots)
        shapes = {
            "kept": (d,), "mean": (d,), "scale": (d,), "coef": (classes, d),
            "intercept": (classes,), "weights": (2,),
            "baseline": (classes,) if trees else (0,), "roots": (trees,),
            "tree_class": (trees,), "feature": (nodes,), "threshold": (nodes,),
            "left": (nodes,), "right": (nodes,), "value": (nodes,),
        }  # fmt: skip
        for name, shape in shapes.items():
            array = getattr(self, name)
            whole = name in _WHOLE
            if array.shape != shape or array.dtype.kind != ("i" if whole else "f"):
                raise ModelError(f"The model's array {name} has an unexpected shape")
            # a threshold of +inf sends every row left; nothing else may be infinite
            if not whole and np.isnan(array).any():
                raise ModelError(f"The model's array {name} holds no numbers")
            if not whole and name != "threshold" and not np.isfinite(array).all():
                raise ModelError(f"The model's array {name} is not finite")
        seen = d + classes - 1
        own = np.arange(nodes)
        inner = self.left != CHILDLESS
        possible = (
            _within(self.kept, columns)
            and (self.scale > 0).all()
            and _within(self.roots, nodes)
            and _within(self.tree_class, classes)
            and _within(self.feature, max(seen, 1))
            # children follow their parent, so that every walk ends
            and (self.left[inner] > own[inner]).all()
            and (self.right[inner] > own[inner]).all()
            and (self.left < nodes).all()
            and (self.right < nodes).all()
        )
        if not possible:
            raise ModelError("The model's arrays point outside each other")


_NAMES = tuple(f.name for f in fields(Member))
_WHOLE = frozenset({"kept", "roots", "tree_class", "feature", "left", "right"})


def _within(indices: np.ndarray, size: int) -> bool:
    return bool(((indices >= 0) & (indices < size)).all())


@dataclass(frozen=True)
class Classifier:
    """What predicts: one or several members, weighted by the rows they learned from.

    Several members exist only after an imported model was trained on the site's own
    rows: an export holds no rows, so what it knew stays as a member of its own.

    Attributes
    ----------
    classes : tuple of int
        Class values; predictions are given in these, not in their positions.
    columns : tuple of str
        Feature names in order.
    members : tuple of Member
    rows : tuple of int
        Rows that each member learned from.
    """

    classes: tuple[int, ...]
    columns: tuple[str, ...]
    members: tuple[Member, ...]
    rows: tuple[int, ...]

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Return the probabilities of the classes.

        Parameters
        ----------
        features : ndarray of float32, shape (n, len(columns))

        Returns
        -------
        ndarray of float64, shape (n, len(classes))
            Rows sum to 1.
        """
        total = np.zeros((len(features), len(self.classes)))
        for member, rows in zip(self.members, self.rows, strict=True):
            total += rows * softmax(member.logits(features))
        return total / sum(self.rows)

    def predict(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return each row's likeliest class and its probability, shapes (n,).

        Of equally likely classes the first wins.
        """
        probabilities = self.predict_proba(features)
        best = probabilities.argmax(axis=1)
        return np.asarray(self.classes)[best], probabilities.max(axis=1)

    def joined(self, other: Classifier) -> Classifier:
        """Return a classifier with another's members before its own."""
        members = (*other.members, *self.members)[-MAX_MEMBERS:]
        rows = (*other.rows, *self.rows)[-MAX_MEMBERS:]
        return Classifier(self.classes, self.columns, members, rows)

    def to_files(self) -> dict[str, bytes]:
        """Return the two files of the model; the same bytes for the same model."""
        packed = io.BytesIO()
        arrays = {
            f"{number}.{name}": getattr(member, name)
            for number, member in enumerate(self.members)
            for name in _NAMES
        }
        np.savez_compressed(packed, allow_pickle=False, **arrays)
        description = {
            **FORMAT,
            "classes": list(self.classes),
            "columns": list(self.columns),
            "rows": list(self.rows),
            "sha256": hashlib.sha256(packed.getvalue()).hexdigest(),
        }
        text = json.dumps(description, indent=1) + "\n"
        return {DESCRIPTION: text.encode(), ARRAYS: packed.getvalue()}

    @classmethod
    def from_files(cls, files: dict[str, bytes]) -> Classifier:
        """Read what `to_files` wrote.

        Raises
        ------
        ModelError
            If a file is missing, altered, or not of this format.
        """
        try:
            about = json.loads(files[DESCRIPTION])
            if {name: about[name] for name in FORMAT} != FORMAT:
                raise ModelError("The model has another format or version")
            if hashlib.sha256(files[ARRAYS]).hexdigest() != about["sha256"]:
                raise ModelError("The model's arrays do not match their digest")
            classes, columns = tuple(about["classes"]), tuple(about["columns"])
            rows = tuple(about["rows"])
            sound = (
                2 <= len(classes) == len(set(classes))
                and 1 <= len(rows) <= MAX_MEMBERS
                and all(type(number) is int for number in (*classes, *rows))
                and all(0 < number < 2**53 for number in rows)
                and all(type(name) is str for name in columns)
            )
            if not sound:
                raise ModelError("The model's description is not sound")
            members = _members(files[ARRAYS], len(rows))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as e:
            if isinstance(e, ModelError):
                raise
            raise ModelError("The files hold no Trackline model") from None
        for member in members:
            member.check(len(columns), len(classes))
        return cls(classes, columns, members, rows)


def _members(packed: bytes, count: int) -> tuple[Member, ...]:
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            if sum(i.file_size for i in archive.infolist()) > MAX_ARRAY_BYTES:
                raise ModelError("The model's arrays are too large")
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            return tuple(
                Member(**{name: arrays[f"{number}.{name}"] for name in _NAMES})
                for number in range(count)
            )
    except UNREADABLE:
        raise ModelError("The model's arrays cannot be read") from None


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities, shape (n, k), of log-odds, shape (n, k)."""
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponents / exponents.sum(axis=1, keepdims=True)
