"""What is told about a wrong seed."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a seed.

    Attributes
    ----------
    file : str
        The seed's file name.
    row : int
        The line on which the record begins: 1 is the header, 0 a missing file.
    rule : str
        Short name of the rule that is broken, in snake case.
    message : str
        One plain sentence.
    """

    file: str
    row: int
    rule: str
    message: str

    def __str__(self) -> str:
        """Name file, row and rule in one line."""
        return f"{self.file}, row {self.row}: {self.message} ({self.rule})"
