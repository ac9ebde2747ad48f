"""The protocol's statuses: a bit mask, low score and not enough data make 12."""

__all__ = ["GENERAL_ERROR", "LOW_SCORE", "NOT_ENOUGH_DATA", "NO_DATASET", "OK"]

OK, GENERAL_ERROR, NO_DATASET, LOW_SCORE, NOT_ENOUGH_DATA = 0, 1, 2, 4, 8
