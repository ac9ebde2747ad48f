"""Recommendations from co-use: how it works is told in docs/recommender.md."""

from trackline.recommender.districts import Result, recommend_districts
from trackline.recommender.evaluation import Evaluation, evaluate
from trackline.recommender.model import Recommender
from trackline.recommender.settings import Options
from trackline.recommender.sql import gram_sql

__all__ = [
    "Evaluation",
    "Options",
    "Recommender",
    "Result",
    "evaluate",
    "gram_sql",
    "recommend_districts",
]
