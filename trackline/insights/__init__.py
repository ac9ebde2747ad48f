"""Learning analytics: what learns and predicts, once SQL has said of whom and by what.

dbt's Python models call the functions here; each reads the tables of the analysis (see
dbt_project/models/insights) and the store below TRACKLINE_MODELS, and returns what the
build shows. The modules: `store` (what is kept, as files), `lock`, `datasets` (values
to the protocol's matrix), `reasons` (why, in words), `processors` (in process or a
server), `training`, `predicting`, `evaluating` with `pages`, `cleaning`; `evaluate` and
`notify` are the commands.
"""

from trackline.insights.cleaning import clean_up
from trackline.insights.datasets import Tables
from trackline.insights.evaluating import model_evaluations
from trackline.insights.predicting import predict
from trackline.insights.store import stored_predictions, used_samples
from trackline.insights.training import train

__all__ = [
    "Tables",
    "clean_up",
    "model_evaluations",
    "predict",
    "stored_predictions",
    "train",
    "used_samples",
]
