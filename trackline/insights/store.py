"""What is kept of every model below TRACKLINE_MODELS: plain files, one per table.

`insights/<district>/<model>/model.json` says which version of its definition a model
has, whether it is trained, and what a prediction server may know;
`<version>/samples.parquet` which samples it has used, `predictions.parquet` what it
predicted, `execution/` the classifier; `evaluations.json` and `evaluation/` what
evaluations came to, whatever the version. A file is replaced whole. The tables of dbt
are made from these files, so a full refresh loses nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path

import duckdb
import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from trackline.config import Configuration
from trackline.config import load as load_configuration
from trackline.insights.lock import LockedError, lock
from trackline.insights.processors import (
    NotReadyError,
    Processor,
    Server,
    Unknown,
    processor_for,
)
from trackline.predictions.client import ServerError
from trackline.predictions.storage import ModelFolder, replace_file, sweep
from trackline.settings import ROOT, Settings

__all__ = [
    "PREDICTIONS", "SAMPLES", "Model", "Store", "stored_predictions", "used_samples",
]  # fmt: skip

SAMPLES = pa.schema(
    [
        ("purpose", pa.string()),
        ("analysis_interval", pa.string()),
        ("analysable_id", pa.string()),
        ("sample_id", pa.string()),
        ("user_id", pa.string()),
        ("range_index", pa.int64()),
        ("analysed_at", pa.int64()),
    ]
)
PREDICTIONS = pa.schema(
    [
        ("version", pa.int64()),
        ("analysis_interval", pa.string()),
        ("analysable_id", pa.string()),
        ("sample_id", pa.string()),
        ("user_id", pa.string()),
        ("course_id", pa.int64()),
        ("context_id", pa.int64()),
        ("range_index", pa.int64()),
        ("prediction", pa.int64()),
        ("prediction_score", pa.float64()),
        ("time_start", pa.int64()),
        ("time_end", pa.int64()),
        ("calculations", pa.string()),
        ("reasons", pa.string()),
        ("predicted_at", pa.int64()),
    ]
)
_OWNER = pa.schema([("district_id", pa.string()), ("model_id", pa.string())])


@dataclass
class Model:
    """A model of one site and its files.

    Attributes
    ----------
    district_id, model_id : str
    fs : fsspec filesystem
    folder : str
    """

    district_id: str
    model_id: str
    fs: fsspec.AbstractFileSystem
    folder: str

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other writers out; LockedError, if it takes too long.

        What a killed writer left is removed: it may hold users, and no reader finds it.
        """
        with lock(self.fs, self.folder):
            if isinstance(self.fs, LocalFileSystem):
                # not beside the version: evaluations are written without the lock
                version = Path(self.folder, str(self.version))
                sweep(version)
                sweep(version / "execution")
            yield

    def state(self) -> dict[str, object]:
        """Return version, definition, whether it is trained, what is at a server.

        `at_server`: versions, and evaluations such as `evaluation-quarters`.
        `is_learning`: a training goes on, or one of this version did not come to its
        end; then nobody knows from whom it has learned.
        """
        empty = {
            "version": 0,
            "definition": "",
            "is_trained": False,
            "is_learning": False,
            "at_server": [],
        }
        written = self._json("model.json", {})
        state = {**empty, **written}
        if state["is_trained"] and "at_server" not in written:
            # written before there was such a list: what is not here is at a server
            version = state["version"]
            is_here = self.fs.exists(self.files(version).path)
            state["at_server"] = [] if is_here else [version]
        return state

    def write_state(self, state: dict[str, object]) -> None:
        """Replace the state."""
        self._write("model.json", json.dumps(state, indent=1).encode() + b"\n")

    @property
    def version(self) -> int:
        """The version of its definition, from 1; 0 before its first run."""
        return int(self.state()["version"])

    def uniqueid(self, of: int | str) -> str:
        """Return the id by which a prediction server knows a version, or evaluation."""
        text = f"trackline$${self.district_id}$${self.model_id}$${of}"
        return hashlib.sha1(text.encode()).hexdigest()

    def files(self, version: int) -> ModelFolder:
        """Return the folder of a version's classifier."""
        return ModelFolder(self.fs, f"{self.folder}/{version}/execution")

    def evaluation(self, interval: str) -> ModelFolder:
        """Return the folder of the evaluations over an interval: no version's own."""
        return ModelFolder(self.fs, f"{self.folder}/evaluation/{interval}")

    def read(self, name: str, schema: pa.Schema, version: int) -> pd.DataFrame:
        """Return a table of a version: `samples` or `predictions`."""
        return self._table(name, schema, version).to_pandas()

    def own_rows(self, name: str, schema: pa.Schema) -> pa.Table:
        """Return a table of the newest version, with district_id and model_id."""
        rows = self._table(name, schema, self.version)
        owner = [
            pa.array([one] * len(rows), pa.string())
            for one in (self.district_id, self.model_id)
        ]
        return pa.table([*owner, *rows.columns], schema=owned(schema))

    def _table(self, name: str, schema: pa.Schema, version: int) -> pa.Table:
        try:
            packed = self.fs.cat_file(f"{self.folder}/{version}/{name}.parquet")
        except FileNotFoundError:
            return schema.empty_table()
        return pq.read_table(io.BytesIO(packed), schema=schema)

    def append(
        self, name: str, schema: pa.Schema, version: int, rows: pd.DataFrame
    ) -> None:
        """Add rows to a table of a version; without rows nothing is written."""
        if rows.empty:
            return
        tables = [self._table(name, schema, version), _as_table(rows, schema)]
        self._write_table(name, version, pa.concat_tables(tables))

    def replace(
        self, name: str, schema: pa.Schema, version: int, rows: pd.DataFrame
    ) -> None:
        """Replace a table of a version."""
        self._write_table(name, version, _as_table(rows, schema))

    def _write_table(self, name: str, version: int, table: pa.Table) -> None:
        packed = io.BytesIO()
        pq.write_table(table, packed)
        self._write(f"{version}/{name}.parquet", packed.getvalue())

    def evaluations(self) -> list[dict[str, object]]:
        """Return what every evaluation came to, oldest first."""
        return self._json("evaluations.json", [])

    def add_evaluation(self, evaluation: dict[str, object]) -> None:
        """Remember an evaluation."""
        # a lock of its own: the model's may be held by a training for long
        with lock(self.fs, f"{self.folder}/evaluation"):
            every = [*self.evaluations(), evaluation]
            told = json.dumps(every, indent=1).encode() + b"\n"
            self._write("evaluations.json", told)

    def prepare(self, definition: str, server: Server | Unknown) -> int:
        """Return the version of a definition; a changed one is a new version.

        What the old version learned and predicted is removed, what evaluations came to
        stays. The caller holds the model's lock.
        """
        state = self.state()
        if state["definition"] != definition:
            path = f"{self.folder}/{state['version']}"
            if self.fs.exists(path):
                self.fs.rm(path, recursive=True)
            self.write_state(
                {
                    "version": int(state["version"]) + 1,
                    "definition": definition,
                    "is_trained": False,
                    "is_learning": False,
                    "at_server": state["at_server"],
                }
            )
        # a server that is gone holds up nothing: the next call asks it again
        with contextlib.suppress(NotReadyError, ServerError):
            # an evaluation may be going on, which leaves by itself
            self.leave_server(
                server,
                [
                    one
                    for one in self.state()["at_server"]
                    if isinstance(one, int) and one != self.version
                ],
            )
        return self.version

    def unlearn(self, server: Server | Unknown) -> int:
        """Forget what the version learned, and from whom: return of how many samples.

        The caller holds the model's lock.

        Raises
        ------
        NotReadyError, ServerError
            If a prediction server may still know it.
        """
        version = self.version
        if version in self.state()["at_server"]:
            self.leave_server(server, [version])
        # the samples are removed last: they tell the next run what is still to be done
        self.write_state({**self.state(), "is_trained": False})
        folder = self.files(version).path
        if self.fs.exists(folder):
            self.fs.rm(folder, recursive=True)
        samples = self.read("samples", SAMPLES, version)
        learned = samples.purpose == "train"
        if learned.any():
            self.replace("samples", SAMPLES, version, samples[~learned])
        self.write_state({**self.state(), "is_learning": False})
        return int(learned.sum())

    def remove(self, server: Server | Unknown) -> None:
        """Remove the model. The caller holds its lock.

        model.json is left: a row that comes back has a new version, and its insights
        ids that nobody has been told of or acted upon.

        Raises
        ------
        NotReadyError, ServerError
            If a prediction server may still know it, as model.json says then.
        """
        self.prepare("", server)
        for path in self.fs.ls(self.folder, detail=False):
            # the lock's file is held, and others may be waiting for it
            if path.rsplit("/", 1)[-1] not in (".lock", "model.json"):
                self.fs.rm(path, recursive=True)
        self.leave_server(server, self.state()["at_server"])

    def enter_server(self, new: int | str) -> None:
        """Remember, before it is sent, that a server may know a version or evaluation.

        The caller holds the model's lock.
        """
        state = self.state()
        known = [one for one in state["at_server"] if one != new]
        self.write_state({**state, "at_server": [*known, new]})

    def leave_server(self, server: Server | Unknown, gone: Iterable[int | str]) -> None:
        """Let the prediction server forget versions or evaluations.

        The caller holds the model's lock.

        Raises
        ------
        NotReadyError, ServerError
            If it may still know one; that, and those after it, are remembered.
        """
        for old in gone:
            server.delete(self, old)
            state = self.state()
            known = [one for one in state["at_server"] if one != old]
            self.write_state({**state, "at_server": known})

    def _json(self, name: str, default: object) -> object:
        try:
            return json.loads(self.fs.cat_file(f"{self.folder}/{name}"))
        except (FileNotFoundError, NotADirectoryError):
            return default

    def _write(self, name: str, content: bytes) -> None:
        path = f"{self.folder}/{name}"
        if isinstance(self.fs, LocalFileSystem):
            replace_file(Path(path), content)
        else:
            self.fs.pipe_file(path, content)


class Store:
    """The models of every site.

    Parameters
    ----------
    settings : Settings, optional
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings.from_environment()
        self.configuration: Configuration = load_configuration(self._settings.seeds)

    def filesystem(self, district_id: str) -> tuple[fsspec.AbstractFileSystem, str]:
        """Return where the site's models lie: modeloutputdir, else TRACKLINE_MODELS."""
        wanted = self.configuration.setting(district_id, "modeloutputdir")
        root = wanted if "://" in wanted else str(ROOT / wanted)
        root = root if wanted else self._settings.models
        options = {"use_listings_cache": False} if "://" in root else {}
        fs, path = fsspec.core.url_to_fs(root, **options)
        return fs, f"{path.rstrip('/')}/insights/{district_id}"

    def model(self, district_id: str, model_id: str) -> Model:
        """Return a model, which may have no files yet."""
        fs, folder = self.filesystem(district_id)
        return Model(district_id, model_id, fs, f"{folder}/{model_id}")

    def models(self) -> list[Model]:
        """Return every model of the configuration, of every site that may run it."""
        return [
            self.model(district.district_id, model_id)
            for district in self.configuration.districts
            for model_id in sorted(
                {
                    row.model_id
                    for row in self.configuration.models
                    if row.district_id in ("*", district.district_id)
                }
            )
        ]

    def kept(self, district_id: str) -> list[Model]:
        """Return every model of a site that has a state, configured or not.

        Whoever removes people looks through these: a model whose row was removed still
        has what it learned and predicted of them.
        """
        fs, folder = self.filesystem(district_id)
        try:
            places = sorted(fs.ls(folder, detail=False))
        except FileNotFoundError:
            return []
        names = [place.rstrip("/").rsplit("/", 1)[-1] for place in places]
        models = [self.model(district_id, name) for name in names]
        return [model for model in models if fs.exists(f"{model.folder}/model.json")]

    def processor(self, analysis: pd.Series) -> Processor:
        """Return what learns and predicts for an analysis."""
        return processor_for(
            analysis.processor, analysis.district_id, self.configuration
        )

    def server(self, district_id: str) -> Server | Unknown:
        """Return a site's prediction server, whatever its models use by now."""
        return processor_for("server", district_id, self.configuration)

    def all_rows(self, name: str, schema: pa.Schema) -> pa.Table:
        """Return a table of the newest versions of all models, with their owners."""
        parts = [model.own_rows(name, schema) for model in self.models()]
        return pa.concat_tables([owned(schema).empty_table(), *parts])

    def renew(self, analyses: pd.DataFrame) -> None:
        """Bring the version of every model of int_analyses up to date.

        One that somebody else works on is left: training and predicting try again.
        """
        for analysis in analyses[analyses.purpose == "predict"].itertuples():
            model = self.model(analysis.district_id, analysis.model_id)
            if model.state()["definition"] == definition(analysis):
                continue
            with contextlib.suppress(LockedError), model.alone():
                model.prepare(definition(analysis), self.server(model.district_id))


def _as_table(rows: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    table = pa.Table.from_pandas(rows[schema.names], schema, preserve_index=False)
    return table.replace_schema_metadata(None)


def owned(schema: pa.Schema) -> pa.Schema:
    """Return a table's schema with whose rows they are."""
    return pa.schema([*_OWNER, *schema])


def definition(analysis: pd.Series) -> str:
    """Return what makes a model another one: its digest."""
    parts = (
        analysis.target,
        # their order is that of the columns
        *analysis.indicators.split(),
        analysis.analysis_interval,
        analysis.kind,
        # numbers or null, whichever engine says so
        *(
            str(int(measure)) if pd.notna(measure) else ""
            for measure in (analysis.parts, analysis.days, analysis.months)
        ),
        analysis.processor,
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@singledispatch
def used_samples(
    con: duckdb.DuckDBPyConnection,
    analyses: duckdb.DuckDBPyRelation,
    settings: Settings | None = None,
) -> pa.Table:
    """Bring every running model's version up to date; list the samples it has used.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build's; trackline.cluster has Spark's half.
    analyses : duckdb.DuckDBPyRelation
        int_analyses.
    settings : Settings, optional

    Returns
    -------
    pyarrow.Table
        district_id, model_id and the columns of ``SAMPLES``.
    """
    store = Store(settings)
    store.renew(analyses.df())
    return store.all_rows("samples", SAMPLES)


@singledispatch
def stored_predictions(
    con: duckdb.DuckDBPyConnection, settings: Settings | None = None
) -> pa.Table:
    """Return every prediction of the models' newest versions."""
    return Store(settings).all_rows("predictions", PREDICTIONS)
