"""Landing files: found, read once, typed, and held against the rules of INTERFACE."""

from trackline.landing.check import Report, check
from trackline.landing.files import LandingFile, discover, inspect
from trackline.landing.moodle import LOGS, MOODLE_TABLES
from trackline.landing.reader import read
from trackline.landing.stage import (
    already_read,
    files_to_read,
    new_files,
    read_files,
    stage,
    stage_moodle,
)
from trackline.landing.tables import RULES, TABLES

__all__ = [
    "LOGS",
    "MOODLE_TABLES",
    "RULES",
    "TABLES",
    "LandingFile",
    "Report",
    "already_read",
    "check",
    "discover",
    "files_to_read",
    "inspect",
    "new_files",
    "read",
    "read_files",
    "stage",
    "stage_moodle",
]
