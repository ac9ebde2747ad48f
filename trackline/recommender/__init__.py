"""Recommendations from co-use: how it works is told in docs/recommender.md."""

from trackline.recommender.model import Recommender

__all__ = ["Recommender"]
