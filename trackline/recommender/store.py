"""Trained models as data: JSON to read, arrays in npz, tables in CSV, a card in words.

    <models>/recommender/<district_id>/note.txt               what the last build did
    <models>/recommender/<district_id>/versions.json         ids, newest last
    <models>/recommender/<district_id>/<model_id>/model.json  what it is
                                                 weights.npz
                                                 validation.csv  everything tried
                                                 effects.csv     the outcome estimates
                                                 card.md

A version counts from the moment versions.json names it, and that file is replaced
whole. The bytes depend on the data alone, and of a large district on the day whose
search they keep: no clock, no pickle, no student.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import fsspec
import numpy as np
import pandas as pd

from trackline import __version__
from trackline.recommender.card import card_text
from trackline.recommender.cold import BandPopularity
from trackline.recommender.members import MEMBERS
from trackline.recommender.model import Layer, Recommender, Scorer
from trackline.recommender.selection import Choice

__all__ = [
    "KEEP",
    "Chosen",
    "StoredModel",
    "chosen",
    "load",
    "note",
    "remove",
    "save",
    "tell",
    "versions",
]

KEEP = 10
_TRIED = ["task", "member", "setting", "tau_days", "ndcg_10"]
_NUMBERS = ("tau_days", "ndcg_10")


@dataclass(frozen=True)
class Chosen:
    """What the search of a stored model chose.

    Attributes
    ----------
    chosen_on : date
        The as_of of the build that searched.
    apps : list of str
    options : dict
        `Options` of that build.
    choices : dict of str to Choice
        By task.
    """

    chosen_on: date
    apps: list[str]
    options: dict
    choices: dict[str, Choice]


@dataclass
class StoredModel:
    """A model with what is known about it.

    Attributes
    ----------
    model_id : str
        `<district>-<12 hex digits>` of settings, weights and data: the same data give
        the same id.
    district_id : str
    recommender : Recommender
    effects : DataFrame
        app_id, effect, effect_low, effect_high, probability, is_associated.
    facts : dict
        fingerprint, training_window, rows, options; chosen_on where the settings may
        serve later builds, chosen_with where they serve other districts too.
    """

    model_id: str
    district_id: str
    recommender: Recommender
    effects: pd.DataFrame
    facts: dict

    @classmethod
    def of(
        cls, district_id: str, model: Recommender, effects: pd.DataFrame, facts: dict
    ) -> StoredModel:
        """Name a trained model by its content."""
        stored = cls("", district_id, model, effects.reset_index(drop=True), facts)
        digest = hashlib.sha256()
        for name, content in sorted(stored.files().items()):
            digest.update(name.encode() + b"\0" + content)
        stored.model_id = f"{district_id}-{digest.hexdigest()[:12]}"
        return stored

    def description(self) -> dict:
        """Return model.json's content."""
        model = self.recommender
        return {
            "release": __version__,
            "model_id": self.model_id,
            "district_id": self.district_id,
            "random_state": model.random_state,
            "students": model.n_students_,
            "kappa": model.kappa_,
            "apps": model.apps_.tolist(),
            "usable": model.usable_.tolist(),
            "bands": model.popularity_.bands,
            "scorers": {
                name: {
                    **scorer.choice.describe(),
                    "layers": [{"tau_days": layer.tau} for layer in scorer.layers],
                }
                for name, scorer in model.scorers_.items()
            },
            **self.facts,
        }

    @cached_property
    def validation(self) -> pd.DataFrame:
        """One row per setting tried: task, member, setting, decay, NDCG@10."""
        rows = [
            {"task": name} | row | {"setting": json.dumps(row["setting"])}
            for name, scorer in self.recommender.scorers_.items()
            for row in scorer.choice.table
        ]
        return pd.DataFrame(rows, columns=_TRIED)

    @cached_property
    def _tables(self) -> dict[str, bytes]:
        """Everything but model.json, which alone tells the model's id."""
        model = self.recommender
        arrays = {"popularity": model.popularity_.shares}
        for name, scorer in model.scorers_.items():
            for number, layer in enumerate(scorer.layers):
                arrays[f"{name}_{number}"] = layer.weights
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return {
            "weights.npz": buffer.getvalue(),
            "validation.csv": self.validation.to_csv(index=False).encode(),
            "effects.csv": self.effects.to_csv(index=False).encode(),
            "card.md": card_text(
                self.description(), self.validation, self.effects
            ).encode(),
        }

    def files(self) -> dict[str, bytes]:
        """Return the files of the version."""
        described = json.dumps(self.description(), indent=1) + "\n"
        return {"model.json": described.encode(), **self._tables}


def _folder(models: str, district_id: str) -> tuple[fsspec.AbstractFileSystem, str]:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", district_id) or district_id.startswith("."):
        raise ValueError(f"{district_id!r} is not a district id")
    # a remote listing that was seen once would hide what another machine adds
    options = {"use_listings_cache": False} if "://" in models else {}
    files, root = fsspec.core.url_to_fs(models, **options)
    return files, f"{root.rstrip('/')}/recommender/{district_id}"


def versions(models: str, district_id: str) -> list[str]:
    """Return the stored model ids of a district, newest last."""
    files, folder = _folder(models, district_id)
    path = f"{folder}/versions.json"
    return json.loads(files.cat_file(path)) if files.exists(path) else []


def save(models: str, stored: StoredModel) -> str:
    """Write a version under TRACKLINE_MODELS and drop those before the last KEEP.

    Returns
    -------
    str
        model_id. Saving a model that is already the newest writes nothing.
    """
    files, folder = _folder(models, stored.district_id)
    known = versions(models, stored.district_id)
    if known and known[-1] == stored.model_id:
        return stored.model_id
    target = f"{folder}/{stored.model_id}"
    files.makedirs(target, exist_ok=True)
    for name, content in stored.files().items():
        files.pipe_file(f"{target}/{name}", content)
    kept = [*(i for i in known if i != stored.model_id), stored.model_id][-KEEP:]
    index = (json.dumps(kept, indent=1) + "\n").encode()
    part = f"{folder}/.versions.json.part"
    files.pipe_file(part, index)
    files.mv(part, f"{folder}/versions.json")
    # those that a killed build left unnamed go with the old ones
    for path in files.ls(folder, detail=False):
        name = path.rstrip("/").rpartition("/")[2]
        if name.startswith(f"{stored.district_id}-") and name not in kept:
            files.rm(path, recursive=True)
    return stored.model_id


def tell(models: str, district_id: str, text: str) -> None:
    """Leave a sentence on what the last build did: what it trained, or why nothing."""
    files, folder = _folder(models, district_id)
    if note(models, district_id) != text:
        files.makedirs(folder, exist_ok=True)
        files.pipe_file(f"{folder}/note.txt", text.encode())


def note(models: str, district_id: str) -> str | None:
    """Return that sentence, None before the first build."""
    files, folder = _folder(models, district_id)
    path = f"{folder}/note.txt"
    return files.cat_file(path).decode() if files.exists(path) else None


def chosen(models: str, district_id: str) -> Chosen | None:
    """Return the settings that the newest version of a large district keeps.

    None where there are none, they cannot be read, or are of another release: a search
    is the answer to that.
    """
    try:
        known = versions(models, district_id)
        if not known:
            return None
        files, folder = _folder(models, district_id)
        target = f"{folder}/{known[-1]}"
        described = json.loads(files.cat_file(f"{target}/model.json"))
        if described["release"] != __version__:
            return None
        found = Chosen(
            date.fromisoformat(described["chosen_on"]),
            described["apps"],
            described["options"],
            _choices(described, files.cat_file(f"{target}/validation.csv")),
        )
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return None
    choices = found.choices.values()
    used = {candidate.member for choice in choices for candidate, _ in choice.blend}
    is_whole = all(choice.blend and choice.table for choice in choices)
    return found if is_whole and used <= {*MEMBERS, "steps"} else None


def remove(models: str, district_id: str) -> None:
    """Remove all versions of a district: the next build trains and searches anew."""
    files, folder = _folder(models, district_id)
    if files.exists(folder):
        files.rm(folder, recursive=True)


def _choices(described: dict, validation: bytes) -> dict[str, Choice]:
    tried: dict[str, list[dict]] = {}
    for row in csv.DictReader(io.StringIO(validation.decode(), newline="")):
        told = {name: float(row[name]) for name in _NUMBERS if row.get(name)}
        one = {"member": row["member"], "setting": json.loads(row["setting"])} | told
        tried.setdefault(row["task"], []).append(one)
    return {
        name: Choice.of(one, tried.get(name, []))
        for name, one in described["scorers"].items()
    }


def load(models: str, district_id: str, model_id: str | None = None) -> StoredModel:
    """Read a version (the newest by default).

    The model recommends as the saved one did; it knows no student, so `task="auto"`
    with times means `next`.

    Raises
    ------
    FileNotFoundError
        If there is no such version.
    """
    files, folder = _folder(models, district_id)
    known = versions(models, district_id)
    if not known or (model_id is not None and model_id not in known):
        raise FileNotFoundError(
            f"district {district_id} has no stored model {model_id or ''}".rstrip()
        )
    target = f"{folder}/{model_id or known[-1]}"
    described = json.loads(files.cat_file(f"{target}/model.json"))
    arrays = np.load(
        io.BytesIO(files.cat_file(f"{target}/weights.npz")), allow_pickle=False
    )
    choices = _choices(described, files.cat_file(f"{target}/validation.csv"))
    effects = pd.read_csv(
        io.BytesIO(files.cat_file(f"{target}/effects.csv")), dtype={"app_id": str}
    )
    model = Recommender(random_state=described["random_state"])
    model.apps_ = np.array(described["apps"], dtype=object)
    model.usable_ = np.array(described["usable"], dtype=bool)
    model.n_students_, model.kappa_ = described["students"], described["kappa"]
    model.popularity_ = BandPopularity(described["bands"], arrays["popularity"])
    model.students_ = None
    model.scorers_ = {}
    for name, one in described["scorers"].items():
        layers = [
            Layer(layer["tau_days"], arrays[f"{name}_{number}"])
            for number, layer in enumerate(one["layers"])
        ]
        model.scorers_[name] = Scorer(layers, choices[name])
    facts = {k: described[k] for k in _FACTS if k in described}
    return StoredModel(described["model_id"], district_id, model, effects, facts)


_FACTS = (
    "fingerprint",
    "training_window",
    "rows",
    "options",
    "chosen_on",
    "chosen_with",
)
