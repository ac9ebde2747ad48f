"""The rules of the models, each with its edges, on rows of their own."""

from __future__ import annotations


def test_rules_of_the_models(project):
    # a unit test takes the types of its inputs from tables, so they have to exist
    project.build()
    outcome = project.dbt("test", "--select", "test_type:unit")
    assert outcome.success, "\n".join(outcome.messages)
    assert outcome.node_count >= 18
