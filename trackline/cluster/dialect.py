"""The spellings that no macro can reach: they stand in every model's text."""

from __future__ import annotations

import re

__all__ = ["for_spark"]

_SPELLING = re.compile(
    r"""
    (?P<kept>'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | --[^\n]* | /\*.*?\*/)
    # a comma after the last column
    | (?P<comma>,)(?=(?:\s|--[^\n]*\n)*(?:from\b|where\b|\)|\Z))
    # text without a length
    | \b(?P<text>varchar)\b(?!\s*\()
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


def for_spark(sql: str) -> str:
    """Return SQL of the models as Spark takes it.

    A comma after the last column goes, `varchar` without a length is `string`, and a
    text with a backslash is marked as raw; what stands in quotes or comments stays.
    """

    def spelled(match: re.Match[str]) -> str:
        if match["comma"]:
            return ""
        if match["text"]:
            return "string"
        # a backslash is a backslash
        is_raw = match[0].startswith("'") and "\\" in match[0]
        return ("r" if is_raw else "") + match[0]

    return _SPELLING.sub(spelled, sql)
