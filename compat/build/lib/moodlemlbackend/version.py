"""Print the version that Moodle checks."""

from . import __version__

if __name__ == "__main__":
    print(__version__)
