"""Cleaning up: what the store remembers of things or people that are to be gone."""

from __future__ import annotations

import contextlib

import duckdb
import pandas as pd
import pyarrow as pa

from trackline.insights.lock import LockedError
from trackline.insights.processors import NotReadyError
from trackline.insights.store import PREDICTIONS, SAMPLES, Model, Store
from trackline.predictions.client import ServerError
from trackline.settings import RefusedError, Settings

__all__ = ["clean_up", "forget_user"]

_CONTEXTS = (
    "select district_id, id from int_moodle_records where table_name = 'moodle/context'"
)
# what a model of each site analyses: a course and a user may have the same id
_ANALYSABLES = """
select models.district_id, models.model_id,
    case models.analyser
        when 'courses' then 'site'
        when 'users' then records.userid
        else records.id::varchar
    end as analysable_id
from int_site_models as models
inner join int_moodle_records as records
    on models.district_id = records.district_id
    and records.table_name
    = case when models.analyser = 'users' then 'moodle/user' else 'moodle/course' end
"""


def clean_up(settings: Settings | None = None) -> pd.DataFrame:
    """Remove predictions whose context is gone, and samples of what no longer exists.

    A model whose row was removed goes whole, with its evaluations, as in Moodle; it is
    there until a build has gone without it, and of a site that is not built any more.

    Parameters
    ----------
    settings : Settings, optional

    Returns
    -------
    DataFrame
        district_id, model_id, predictions and samples removed; one row per model that
        lost any. A site whose contexts or courses were never delivered loses nothing.

    Raises
    ------
    RefusedError
        If there is no warehouse.
    """
    settings = settings or Settings.from_environment()
    if not settings.warehouse.exists():
        raise RefusedError(
            f"there is no warehouse at {settings.warehouse}: build first"
        )
    with duckdb.connect(str(settings.warehouse), read_only=True) as con:
        sites = con.execute("select district_id from int_analytics_sites").fetchall()
        built = con.execute("select district_id, model_id from int_site_models")
        known = set(built.fetchall())
        contexts = con.execute(_CONTEXTS).df().groupby("district_id")["id"].agg(set)
        there = con.execute(_ANALYSABLES).df()
    models = ["district_id", "model_id"]
    analysables = there.groupby(models)["analysable_id"].agg(set)
    store = Store(settings)
    known |= {(model.district_id, model.model_id) for model in store.models()}
    rows = []
    for model in (model for site in sites for model in store.kept(*site)):
        district_id, key = model.district_id, (model.district_id, model.model_id)
        is_removed = key not in known
        if not is_removed and (district_id not in contexts or key not in analysables):
            continue
        try:
            with model.alone():
                removed = (
                    _remove(store, model)
                    if is_removed
                    else _clean(model, contexts[district_id], analysables[key])
                )
        except LockedError:
            continue
        if any(removed):
            rows.append((*key, *removed))
    return pd.DataFrame(
        rows, columns=["district_id", "model_id", "predictions", "samples"]
    )


def _remove(store: Store, model: Model) -> tuple[int, int]:
    counts = (
        len(model.read("predictions", PREDICTIONS, model.version)),
        len(model.read("samples", SAMPLES, model.version)),
    )
    # a server that is gone is asked again the next time
    with contextlib.suppress(NotReadyError, ServerError):
        model.remove(store.server(model.district_id))
    return counts


def _clean(model: Model, contexts: set[int], analysables: set[str]) -> tuple[int, int]:
    version = model.version

    def keep(name: str, schema: pa.Schema, good: pd.Series, rows: pd.DataFrame) -> int:
        if not good.all():
            model.replace(name, schema, version, rows[good])
        return int((~good).sum())

    predictions = model.read("predictions", PREDICTIONS, version)
    samples = model.read("samples", SAMPLES, version)
    known = samples.analysable_id.isin(analysables)
    return (
        keep(
            "predictions",
            PREDICTIONS,
            predictions.context_id.isin(contexts),
            predictions,
        ),
        keep("samples", SAMPLES, known, samples),
    )


def forget_user(settings: Settings, district_id: str, user_id: str) -> None:
    """Remove a user from what models predicted and learned.

    A classifier's rows bear no names, so a model that has learned from the user is
    untrained: the next build trains it on everything that is left.

    Parameters
    ----------
    settings : Settings
    district_id : str
    user_id : str
        As it stands in the store: a pseudonym, where there is a key.

    Raises
    ------
    RefusedError
        If somebody else works on a model, or a prediction server may still know what
        it learned from the user.
    """
    store = Store(settings)
    refusals = []
    # also of models, and of a district, whose rows were removed from the seeds
    for model in store.kept(district_id):
        known = (
            f"the model {model.model_id} of {district_id} may still know the student"
        )
        try:
            with model.alone():
                _forget(store, model, user_id)
        except LockedError as error:
            refusals.append(f"{known}: {error}.")
        except (NotReadyError, ServerError) as error:
            refusals.append(
                f"{known}: {error}; if that server is gone for good, empty at_server in"
                f" {model.folder}/model.json."
            )
    if refusals:
        raise RefusedError(" ".join([*refusals, "Run the same command again."]))


def _forget(store: Store, model: Model, user_id: str) -> None:
    version = model.version
    predictions = model.read("predictions", PREDICTIONS, version)
    others = predictions[predictions.user_id != user_id]
    if len(others) < len(predictions):
        model.replace("predictions", PREDICTIONS, version, others)
    samples = model.read("samples", SAMPLES, version)
    mine = samples.user_id == user_id
    # a training that was killed has learned from nobody knows whom
    is_unknown = model.state()["is_learning"]
    has_learned = is_unknown or (samples[mine].purpose == "train").any()
    server = store.server(model.district_id)
    # of older versions nobody knows any more from whom they learned
    older = [one for one in model.state()["at_server"] if one != version]
    model.leave_server(server, older)
    if has_learned:
        model.unlearn(server)
        samples = model.read("samples", SAMPLES, version)
        mine = samples.user_id == user_id
    if mine.any():
        model.replace("samples", SAMPLES, version, samples[~mine])
