"""What `dagster dev` loads; the story begins in orchestration/__init__.py."""

from orchestration.location import build_definitions

defs = build_definitions()
