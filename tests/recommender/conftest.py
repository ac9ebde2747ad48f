import pytest
from recommender_data import interactions


@pytest.fixture(scope="session")
def rows():
    return interactions()
