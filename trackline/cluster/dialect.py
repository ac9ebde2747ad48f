"""The two spellings that no macro can reach: they stand in every model's text."""

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

    A comma after the last column goes, and `varchar` without a length is `string`; what
    stands in quotes or comments stays.
    """

    def spelled(match: re.Match[str]) -> str:
        if match["comma"]:
            return ""
        return "string" if match["text"] else match[0]

    return _SPELLING.sub(spelled, sql)
