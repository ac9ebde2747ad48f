"""Landing files: found, read once, typed, and held against the rules of INTERFACE."""

from trackline.landing.check import Report, check
from trackline.landing.files import LandingFile, discover, inspect
from trackline.landing.reader import read
from trackline.landing.stage import already_read, files_to_read, stage
from trackline.landing.tables import RULES, TABLES

__all__ = [
    "RULES",
    "TABLES",
    "LandingFile",
    "Report",
    "already_read",
    "check",
    "discover",
    "files_to_read",
    "inspect",
    "read",
    "stage",
]
