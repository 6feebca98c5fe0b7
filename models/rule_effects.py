"""What the rules that act for a user do to the list: scores that move, categories that are recalled, an intervention."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from freshet.udfs.top_n import Intervention
from freshet.udfs.triggers import Trigger

Floats = NDArray[np.float32]


def log_boosts(acting: Iterable[Trigger], number_of: Mapping[str, int]) -> dict[int, float]:
    """Return what is added to the score of each boosted category, by the category's number; unknown ones are left out.

    A score is a logit. To add the logarithm of a factor multiplies the odds by it, whatever the score's sign; to multiply
    the score would make a negative one worse. Boosts of several rules add up.

    >>> boost = Trigger(0, 1, "r", "boost", "TEA", None, 2.0, None)
    >>> log_boosts([boost, boost._replace(rule="q", factor=0.5), boost._replace(category="?")], {"TEA": 7})
    {7: 0.0}
    """
    added: dict[int, float] = {}
    for one in acting:
        number = number_of.get(one.category or "", 0)
        if one.action == "boost" and number and one.factor:
            added[number] = added.get(number, 0.0) + math.log(one.factor)
    return added


def recalled(acting: Iterable[Trigger], number_of: Mapping[str, int]) -> list[int]:
    """Return the numbers of the categories that rules recall; unknown ones are left out."""
    wanted = (number_of.get(one.category or "", 0) for one in acting if one.action == "recall")
    return list(dict.fromkeys(number for number in wanted if number))


def intervention(acting: Iterable[Trigger]) -> Intervention | None:
    """Return what the front end is asked to do; of several, what the first of the rules asks."""
    for one in acting:
        if one.action == "intervene" and one.intervention:
            return Intervention(one.intervention, one.rule, one.item_id, one.until)
    return None
