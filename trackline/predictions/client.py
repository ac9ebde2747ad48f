"""The other side of the protocol: asks a prediction server, ours or the reference."""

from __future__ import annotations

from dataclasses import dataclass

import requests

__all__ = ["Prediction", "PredictionClient", "ServerError"]

NO_ERROR = 0
CONNECT_SECONDS, DELETE_SECONDS = 10, 10


class ServerError(RuntimeError):
    """The server did not do it: its own words."""


@dataclass(frozen=True)
class Prediction:
    """One answer.

    Attributes
    ----------
    sample_id : str
        `<sampleid>-<rangeindex>` as it was sent.
    value : int
        The predicted class.
    score : float
        Its probability; 1 from a server that does not tell.
    """

    sample_id: str
    value: int
    score: float


class PredictionClient:
    """A server's operations.

    Parameters
    ----------
    url : str
        Such as http://127.0.0.1:5000.
    user, password : str
    timeout : float
        Seconds for one request; it is given up sooner if a server does not answer the
        call for its version, or hangs when it is to delete, as it may be asked again.
    """

    def __init__(
        self, url: str, user: str, password: str, timeout: float = 1200
    ) -> None:
        self._url, self._timeout = url.rstrip("/"), timeout
        self._session = requests.Session()
        self._session.auth = (user, password)

    def version(self) -> str:
        """Return the server's protocol version."""
        # of two timeouts a body would have to be sent within the first: here is none
        timeout = (CONNECT_SECONDS, self._timeout)
        return self._ask("GET", "/version", timeout=timeout).text.strip()

    def train(self, uniqueid: str, dirhash: str, dataset: bytes) -> dict[str, object]:
        """Train on a labelled dataset; status and info of the answer.

        A status other than 0 is an answer too: 8 means that a class has no row.
        """
        fields = {"uniqueid": uniqueid, "dirhash": dirhash}
        return self._answer("/training", fields, dataset)

    def predict(self, uniqueid: str, dirhash: str, dataset: bytes) -> list[Prediction]:
        """Predict an unlabelled dataset.

        Raises
        ------
        ServerError
            If the answer's status is not 0, such as for an untrained model, or its rows
            cannot be read. A row of two has the score 1, a shorter one is left out.
        """
        fields = {"uniqueid": uniqueid, "dirhash": dirhash}
        answer = self._answer("/prediction", fields, dataset)
        if answer["status"] != NO_ERROR:
            raise ServerError(message(answer))
        try:
            return [
                Prediction(
                    row[0], int(float(row[1])), float(row[2]) if row[2:] else 1.0
                )
                for row in answer["predictions"]
                if row[1:]
            ]
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ServerError("The server's predictions cannot be read") from None

    def evaluate(
        self,
        uniqueid: str,
        dirhash: str,
        dataset: bytes,
        *,
        min_score: float = 0.7,
        accepted_deviation: float = 0.05,
        iterations: int = 10,
        trained_dirhash: str | None = None,
    ) -> dict[str, object]:
        """Evaluate on a labelled dataset; the answer of PROTOCOL section 3.3."""
        fields = {
            "uniqueid": uniqueid,
            "dirhash": dirhash,
            "minscore": str(min_score),
            "maxdeviation": str(accepted_deviation),
            "niterations": str(iterations),
        }
        if trained_dirhash:
            fields["trainedmodeldirhash"] = trained_dirhash
        return self._answer("/evaluation", fields, dataset)

    def evaluation_log(self, uniqueid: str, dirhash: str, runid: int) -> bytes:
        """Return the zip of an evaluation's log."""
        fields = {"uniqueid": uniqueid, "dirhash": dirhash, "runid": str(runid)}
        return self._ask("GET", "/evaluationlog", params=fields).content

    def export(self, uniqueid: str, dirhash: str) -> bytes:
        """Return the zip of a trained model."""
        fields = {"uniqueid": uniqueid, "dirhash": dirhash}
        return self._ask("GET", "/export", params=fields).content

    def import_(self, uniqueid: str, dirhash: str, packed: bytes) -> None:
        """Replace a model by an export of the same kind of server."""
        fields = {"uniqueid": uniqueid, "dirhash": dirhash}
        self._post("/import", fields, importzip=packed)

    def delete(self, uniqueid: str) -> None:
        """Remove a model; nothing happens if there is none."""
        self._post("/deletemodel", {"uniqueid": uniqueid}, timeout=DELETE_SECONDS)

    def _answer(
        self, path: str, fields: dict[str, str], dataset: bytes
    ) -> dict[str, object]:
        response = self._post(path, fields, dataset=dataset)
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or "status" not in answer:
            raise ServerError(f"{path} was not answered with JSON")
        return answer

    def _post(
        self,
        path: str,
        fields: dict[str, str],
        *,
        timeout: float | None = None,
        **files: bytes,
    ) -> requests.Response:
        parts = {name: (None, value) for name, value in fields.items()}
        parts |= {name: (f"{name}.bin", content) for name, content in files.items()}
        return self._ask("POST", path, timeout=timeout, files=parts)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        timeout: float | tuple[float, float] | None = None,
        **given: object,
    ) -> requests.Response:
        try:
            response = self._session.request(
                method, self._url + path, timeout=timeout or self._timeout, **given
            )
        except requests.RequestException as error:
            raise ServerError(
                f"{self._url}{path} cannot be reached: {type(error).__name__}"
            ) from error
        if response.status_code != requests.codes.ok:
            text = response.text.strip()[:200]
            raise ServerError(f"{path}: HTTP status {response.status_code}: {text}")
        return response


def message(answer: dict[str, object]) -> str:
    """Return what an answer says to a person: its errors, else its info."""
    told = answer.get("errors") or answer.get("info") or []
    words = told if isinstance(told, list) else [told]
    return ", ".join(map(str, words)) or f"status {answer['status']}"
