"""Predictions processors: the learner in this process, or a prediction server.

Both take the protocol's CSV and give its answers, so that a model may change from one
to the other.
"""

from __future__ import annotations

import contextlib
import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from trackline.config import Configuration
from trackline.insights.lock import LockedError
from trackline.predictions import service
from trackline.predictions.archive import unpack
from trackline.predictions.client import PredictionClient, ServerError, message
from trackline.predictions.limits import Limits

if TYPE_CHECKING:
    from trackline.insights.store import Model

__all__ = [
    "NotReadyError", "Processor", "Server", "Unknown", "processor_for", "time_limit",
]  # fmt: skip

MIN_SCORE, ACCEPTED_DEVIATION, ITERATIONS = 0.7, 0.05, 10
GENERAL_ERROR = 1
OLDEST, FIRST_UNKNOWN = (3, 0, 5), (4, 0, 0)


class NotReadyError(Exception):
    """The processor cannot be used now: one sentence that says why."""


Rows = list[tuple[str, int, float]]


class Processor(Protocol):
    """What learns and predicts. An answer has status and info, as in the protocol."""

    def check(self) -> None:
        """Raise NotReadyError unless it can be used."""

    def train(self, model: Model, version: int, dataset: bytes) -> dict[str, object]:
        """Learn from a labelled dataset, besides what was learned before."""

    def predict(
        self, model: Model, version: int, dataset: bytes
    ) -> tuple[dict[str, object], Rows]:
        """Predict; of every row its id, class and score."""

    def evaluate(
        self, model: Model, interval: str, dataset: bytes
    ) -> dict[str, object]:
        """Rate what would be learned; `dir` names the folder of the run's pages."""


@dataclass
class InProcess:
    """The learner of `trackline.predictions`, here."""

    seconds: float

    def check(self) -> None:
        """Is always ready."""

    @property
    def _limits(self) -> Limits:
        # our own datasets, in batches of the site's size, not a stranger's
        cells = 10_000_000_000
        return Limits(
            max_rows=100_000_000,
            max_cells=cells,
            kept_cells=cells,
            work_seconds=self.seconds,
        )

    def train(self, model: Model, version: int, dataset: bytes) -> dict[str, object]:
        """Learn; the classifier lies in the model's `execution` folder."""
        return service.train(model.files(version), io.BytesIO(dataset), self._limits)

    def predict(
        self, model: Model, version: int, dataset: bytes
    ) -> tuple[dict[str, object], Rows]:
        """Predict with the classifier of the `execution` folder."""
        answer = service.predict(
            model.files(version), io.BytesIO(dataset), self._limits
        )
        rows = answer.pop("predictions", [])
        return answer, [(row[0], int(row[1]), float(row[2])) for row in rows]

    def evaluate(
        self, model: Model, interval: str, dataset: bytes
    ) -> dict[str, object]:
        """Evaluate; pages go to the model's `evaluation` folder."""
        return service.evaluate(
            model.evaluation(interval),
            io.BytesIO(dataset),
            self._limits,
            min_score=MIN_SCORE,
            accepted_deviation=ACCEPTED_DEVIATION,
            iterations=ITERATIONS,
        )


@dataclass
class Server:
    """A server that speaks the protocol, ours or the reference."""

    client: PredictionClient

    def check(self) -> None:
        """Ask for the version, as Moodle does: at least 3.0.5, below 4."""
        try:
            told = self.client.version()
            version = tuple(int(part) for part in told.split(".")[:3])
        except ServerError as error:
            raise NotReadyError(str(error)) from None
        except ValueError:
            raise NotReadyError("The server tells no version") from None
        if not OLDEST <= version < FIRST_UNKNOWN:
            raise NotReadyError(f"The server speaks version {told}, 3.0.5 is needed")

    def train(self, model: Model, version: int, dataset: bytes) -> dict[str, object]:
        """Let the server learn."""
        model.enter_server(version)
        return self.client.train(*self._ids(model, version), dataset)

    def predict(
        self, model: Model, version: int, dataset: bytes
    ) -> tuple[dict[str, object], Rows]:
        """Let the server predict."""
        try:
            told = self.client.predict(*self._ids(model, version), dataset)
        except ServerError as error:
            return {"status": GENERAL_ERROR, "info": [str(error)]}, []
        rows = [(row.sample_id, row.value, row.score) for row in told]
        return {"status": 0, "info": []}, rows

    def evaluate(
        self, model: Model, interval: str, dataset: bytes
    ) -> dict[str, object]:
        """Let the server evaluate; fetch its pages, and leave nothing there."""
        # no version's id: the reference stores what it evaluates
        name = f"evaluation-{interval}"
        uniqueid = model.uniqueid(name)
        dirhash = f"{uniqueid[:24]}-evaluation"
        with model.alone():
            model.enter_server(name)
        answer = self.client.evaluate(
            uniqueid,
            dirhash,
            dataset,
            min_score=MIN_SCORE,
            accepted_deviation=ACCEPTED_DEVIATION,
            iterations=ITERATIONS,
        )
        folder = model.evaluation(interval)
        runid = folder.reserve_run()
        folder.write_run(runid, self._log(uniqueid, dirhash, answer))
        # else the next evaluation does, or who forgets a student
        with contextlib.suppress(LockedError, ServerError), model.alone():
            model.leave_server(self, [name])
        return {**answer, "dir": f"{folder.path}/logs/{runid}"}

    def _log(
        self, uniqueid: str, dirhash: str, answer: dict[str, object]
    ) -> dict[str, bytes]:
        """Return the run's log; empty without one, as the evaluation counts anyway."""
        try:
            packed = self.client.evaluation_log(uniqueid, dirhash, int(answer["runid"]))
            return unpack(packed, Limits())
        except (ServerError, KeyError, TypeError, ValueError):
            return {}

    def delete(self, model: Model, of: int | str) -> None:
        """Let the server forget; ServerError, if it may still know it."""
        self.client.delete(model.uniqueid(of))

    @staticmethod
    def _ids(model: Model, version: int) -> tuple[str, str]:
        uniqueid = model.uniqueid(version)
        return uniqueid, f"{uniqueid[:24]}-execution"


@dataclass
class Unknown:
    """A server that nobody has named."""

    sentence: str

    def check(self) -> None:
        """Say what is missing."""
        raise NotReadyError(self.sentence)

    def train(self, *arguments: object) -> None:
        """Refuse."""
        raise NotReadyError(self.sentence)

    predict = evaluate = delete = train


def time_limit(district_id: str, configuration: Configuration) -> float:
    """Return the seconds that one learning, or one evaluation, may take."""
    return float(configuration.setting(district_id, "modeltimelimit") or 1200)


def processor_for(
    name: str, district_id: str, configuration: Configuration
) -> Processor:
    """Return a processor, `sklearn` or `server`, with the site's settings."""

    def setting(wanted: str) -> str:
        return configuration.setting(district_id, wanted)

    seconds = time_limit(district_id, configuration)
    if name == "sklearn":
        return InProcess(seconds)
    password = os.environ.get("TRACKLINE_SERVER_PASSWORD", "")
    wanted = {
        "host": setting("host"),
        "port": setting("port"),
        "username": setting("username"),
        "TRACKLINE_SERVER_PASSWORD": password,
    }
    missing = [key for key, value in wanted.items() if not value]
    if missing:
        return Unknown(f"The prediction server has no {', '.join(missing)}")
    scheme = "https" if setting("secure") == "1" else "http"
    url = f"{scheme}://{wanted['host']}:{wanted['port']}"
    return Server(PredictionClient(url, wanted["username"], password, seconds))


def words(answer: dict[str, object]) -> str:
    """Return what an answer says to a person; empty when all is well."""
    if not answer.get("status") and not answer.get("info"):
        return ""
    return message(answer)
