"""The same project on a Spark cluster: docs/scale.md."""
