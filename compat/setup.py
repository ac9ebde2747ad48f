"""Ship Trackline's prediction engine inside the package, without the HTTP server."""

from setuptools import setup
from setuptools.command.build_py import build_py

ENGINE = {
    "__init__",
    "archive",
    "dataset",
    "evaluation",
    "folds",
    "learner",
    "limits",
    "model",
    "report",
    "service",
    "statuses",
    "storage",
}


class EngineOnly(build_py):
    """Leave out the modules that need a web framework."""

    def find_package_modules(self, package, package_dir):
        """Return (package, module, file) of what is shipped."""
        found = super().find_package_modules(package, package_dir)
        return [m for m in found if not package.endswith("_engine") or m[1] in ENGINE]


setup(cmdclass={"build_py": EngineOnly})
