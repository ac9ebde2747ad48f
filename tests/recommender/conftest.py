from datetime import date

import pytest
from recommender_data import interactions, large, warehouse

from trackline.recommender import store
from trackline.recommender.districts import each_district, recommend_districts


@pytest.fixture(scope="session")
def rows():
    return interactions()


@pytest.fixture(scope="session")
def tables():
    return warehouse({"north": 260, "south": 40, "tiny": 5})


@pytest.fixture(scope="session")
def result(tables):
    return recommend_districts(**tables)


@pytest.fixture(scope="session")
def searched(tables, tmp_path_factory):
    """Store the model of a build of 4 March, which has searched."""
    root = str(tmp_path_factory.mktemp("models"))
    (made,) = each_district(**large(tables))
    store.save(root, made.model)
    assert store.chosen(root, "north").chosen_on == date(2026, 3, 4)
    return root, made
