"""Tests, by area; a name of their own, for there is an `orchestration` here too."""
