"""The commands that Moodle's Python predictions processor runs, one module each."""

__version__ = "3.0.5"
