"""The Dagster code location of Trackline."""
