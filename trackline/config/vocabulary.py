"""The names that learning analytics knows: targets, indicators, settings, roles.

Source: Moodle's analytics as described in INTERFACE section 6. A name that is not
here is nobody's: the configuration check refuses it.
"""

from __future__ import annotations

__all__ = [
    "CAPABILITIES",
    "INDICATORS",
    "INTERVAL_KINDS",
    "MODULES",
    "PROCESSORS",
    "ROLES",
    "SETTINGS",
    "SITE_INFORMATION",
    "TARGETS",
]

PROCESSORS = ("sklearn", "server")
CAPABILITIES = ("managemodels", "listinsights", "listowninsights")
ROLES = (
    "manager",
    "coursecreator",
    "editingteacher",
    "teacher",
    "student",
    "guest",
    "user",
    "frontpage",
)

MODULES = (
    "assign",
    "book",
    "chat",
    "choice",
    "data",
    "feedback",
    "folder",
    "forum",
    "glossary",
    "imscp",
    "label",
    "lesson",
    "lti",
    "page",
    "quiz",
    "resource",
    "scorm",
    "survey",
    "url",
    "wiki",
    "workshop",
)
"""The activity modules with a cognitive depth and a social breadth."""

SITE_INFORMATION = {
    "modeinstruction": ("facetoface", "blendedhybrid", "fullyonline"),
    "typeinstitution": ("academic", "training", "ngo"),
    "levelinstitution": tuple(f"isced{level}" for level in range(9)),
}
"""Setting of the site -> the words that it may hold, separated by blanks."""

INDICATORS = frozenset(
    (
        "any_access_before_start",
        "any_access_after_end",
        "any_write_action_in_course",
        "any_write_action",
        "read_actions",
        "any_course_access",
        "completion_enabled",
        "potential_cognitive_depth",
        "potential_social_breadth",
        "no_teacher",
        "no_student",
        "activities_due",
        "user_profile_set",
        "user_track_forums",
        # part of Moodle's indicators, not of its default dropout model
        "bigbluebuttonbn_cognitive_depth",
        "bigbluebuttonbn_social_breadth",
        *(f"{module}_cognitive_depth" for module in MODULES),
        *(f"{module}_social_breadth" for module in MODULES),
        # what a site says of itself; not Moodle's
        "site_percent_online",
        *(f"site_{word}" for words in SITE_INFORMATION.values() for word in words),
    )
)

INTERVAL_KINDS = {
    "unlimited": (),
    "whole": (),
    "parts": ("parts",),
    "parts_accumulated": ("parts",),
    "after_start": ("parts", "days", "months"),
    "past": ("days", "months"),
    "upcoming": ("days", "months"),
}
"""Kind of analysis interval -> the columns of which exactly one is its measure."""

_BEFORE_NOW = ("whole", "parts", "parts_accumulated", "after_start", "past")
TARGETS = {
    "course_dropout": _BEFORE_NOW,
    "course_completion": _BEFORE_NOW,
    "course_competencies": _BEFORE_NOW,
    "course_gradetopass": _BEFORE_NOW,
    "no_teaching": ("whole",),
    "no_recent_accesses": ("past",),
    "no_access_since_course_start": ("after_start",),
    "upcoming_activities_due": ("upcoming",),
}
"""Target -> the kinds of interval it can be judged by."""

SETTINGS = {
    "enableanalytics": "1",
    "predictionsprocessor": "sklearn",
    "logstore": "standard",
    "defaulttimesplittingsevaluation": "quarters_accum quarters single_range",
    "modeloutputdir": "",
    "onlycli": "1",
    "modeltimelimit": "1200",
    "calclifetime": "35",
    "modeinstruction": "",
    "percentonline": "",
    "typeinstitution": "",
    "levelinstitution": "",
    "useserver": "0",
    "host": "",
    "port": "",
    "secure": "0",
    "username": "default",
    "password": "",
    "pathtopython": "",
}
"""Name of a setting -> what holds where analytics_settings.csv does not say."""
