"""Products of matrices."""

from __future__ import annotations

import numpy as np

from tests.by_hand.noise import normal


def reduced_rank(arguments, w, data):
    return normal(data["y"], np.einsum("boh,bhi,ni->bno", w["B"], w["A"], data["x"]))


LIKELIHOODS = {"reduced_rank": reduced_rank}
