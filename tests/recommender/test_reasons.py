"""Why an app is recommended: by hand."""

import numpy as np
import pandas as pd
import pytest

from trackline.recommender import reasons
from trackline.recommender.frames import encode
from trackline.recommender.model import Layer, Scorer
from trackline.recommender.reasons import contributors, reason_texts
from trackline.recommender.selection import Choice

APPS = np.array(["art", "maps", "math", "read", "type"], dtype=object)
ART, MAPS, MATH, READ, TYPE = range(5)


def rows():
    """Give `s1` three apps, ten days apart, and `s2` none."""
    uses = [("s1", "art", 0.0), ("s1", "maps", 10.0), ("s1", "math", 20.0)]
    return encode(
        pd.DataFrame(
            [*uses, ("s2", None, np.nan)], columns=["student_id", "app_id", "used_at"]
        ),
        APPS,
    )


def scorer(*layers):
    return Scorer([Layer(*layer) for layer in layers], Choice([], []))


def weights(**cells):
    """Return B; `maps_read=0.9` is what maps adds to read."""
    made = np.zeros((5, 5))
    for name, value in cells.items():
        one, other = (APPS.tolist().index(app) for app in name.split("_"))
        made[one, other] = value
    return made


@pytest.mark.parametrize("entries", [1, 4, 1_000_000])
def test_contributors_are_those_that_add_most(monkeypatch, entries):
    monkeypatch.setattr(reasons, "_ENTRIES", entries)
    even = weights(
        art_read=0.3, maps_read=0.9, math_read=-0.5,  # what speaks against is not told
        art_art=5.0,  # nor is the app itself
        art_type=0.2, maps_type=0.2, math_type=0.1,  # a tie goes by position
    )  # fmt: skip
    asked = [(0, READ), (0, ART), (0, TYPE), (1, READ)]
    student, app = (np.array(column) for column in zip(*asked, strict=True))
    found = contributors(rows(), scorer((None, even)), student, app)
    assert found.tolist() == [[MAPS, ART], [-1, -1], [ART, MAPS], [-1, -1]]


def test_contributors_add_up_over_layers_as_use_fades():
    # tau of 10 days: art, maps, math weigh exp(-2), exp(-1), 1: 0.090, 0.245, 0.665
    fading = weights(art_read=1.0, maps_read=1.0, math_read=0.2)
    who, what = np.array([0]), np.array([READ])
    # 0.090, 0.245, 0.133
    one = contributors(rows(), scorer((10.0, fading)), who, what)
    assert one.tolist() == [[MAPS, MATH]]
    # and a third of 0.6 for art: 0.290, 0.245, 0.133
    both = scorer((10.0, fading), (None, weights(art_read=0.6)))
    assert contributors(rows(), both, who, what).tolist() == [[ART, MAPS]]


def test_reasons_in_words():
    effects = pd.DataFrame(
        {
            "effect": [0.124, 0.2],
            "effect_low": [0.041, -0.1],
            "effect_high": [0.207, 0.5],
            "is_associated": [True, False],
        },
        index=[READ, TYPE],
    )
    texts = reason_texts(
        ["Art", "Maps", "Math", "Read", "Type"],
        np.array([READ, TYPE, TYPE, ART]),
        np.array([[MAPS, ART], [MATH, -1], [-1, -1], [-1, -1]]),
        np.array([1234, 9, 10, 0]),
        effects,
    )
    assert texts.to_pylist() == [
        "Fits with your use of Maps and Art: 1,234 similar students use it with Maps."
        " Its use is associated with improvement: +0.12 SD in the later score"
        " (+0.04 to +0.21); not proof of cause.",
        "Fits with your use of Math: <10 similar students use it with Math.",
        "Popular: 10 similar students use it.",
        "Popular: <10 similar students use it.",
    ]
