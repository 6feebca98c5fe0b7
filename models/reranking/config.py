"""The rules of re-ranking, as a placement's section `reranking:` gives them. `docs/lists.md` says what each does."""

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from freshet.errors import FreshetError

Kind = Literal["source", "category", "brand"]
Scene = Literal["home", "search", "detail", "cart"]


class Section(BaseModel):
    """A frozen section of the rules; a name that it does not know is an error, and so is a number that is not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Purchased(Section):
    """Whether what the user has bought may be shown again.

    Attributes:
        repeat: `never`; `after` a number of days; as a `habit`, where its category is bought again and again; `always`.
        days: for `after`, and for `habit` outside of the categories that repeat.
        purchases: for `habit`, how many purchases from a category show that the user repeats it.
        categories: for `habit`, those that everybody repeats.
    """

    repeat: Literal["never", "after", "habit", "always"] = "never"
    days: float | None = Field(None, gt=0)
    purchases: int = Field(3, ge=2)
    categories: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "Purchased":
        if self.repeat == "after" and self.days is None:
            raise ValueError("`repeat: after` needs `days`")
        return self


class Recent(Section):
    """For how many hours what the user has met is kept away; None is for ever."""

    hours: float | None = Field(None, gt=0)


class Blocked(Section):
    """What nobody is shown in this placement."""

    items: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()


class Filters(Section):
    """What takes candidates away, in the order of `filters.ORDER`. Nothing brings them back; null switches one off."""

    purchased: Purchased = Purchased()
    in_cart: bool = True
    seen: Recent | None = Recent()
    recently_played: Recent | None = Recent(hours=4)
    out_of_stock: bool = True
    blocked: Blocked = Blocked()


class Score(Section):
    """What orders the candidates before any rule: the model's score, or reward x probability x decay x relevance.

    Attributes:
        how: `model` or `composed`.
        rewards: outcome -> what it is worth in this scene; a bad outcome is worth less than 0.
        step_decay: what one event of age multiplies the score by.
        probability: exponent of the expected reward.
        decay: exponent of the decay.
        relevance: exponent of the relevance to the profile.
        least_relevance: what a relevance below it counts as, so that what a profile does not know yet is not lost.
    """

    how: Literal["model", "composed"] = "model"
    rewards: Mapping[str, float] = Field(default_factory=lambda: {"click": 1.0, "purchase": 5.0}, min_length=1)
    step_decay: float = Field(0.9, gt=0, le=1)
    probability: float = Field(1.0, ge=0)
    decay: float = Field(1.0, ge=0)
    relevance: float = Field(1.0, ge=0)
    least_relevance: float = Field(0.1, gt=0)


class Boost(Section):
    """Raises or lowers the candidates for which all that it names holds; among several values of a name, one is enough.

    Attributes:
        name: what an explanation calls it.
        log_odds: what is added to their scores; 0.7 doubles the odds, -0.7 halves them.
        price_from: the lowest price.
        price_to: what the price stays below.
        promoted: whether it is in a promotion.
    """

    name: str = Field(min_length=1)
    log_odds: float = Field(ge=-20, le=20)
    items: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    price_from: float | None = None
    price_to: float | None = None
    promoted: bool | None = None

    @model_validator(mode="after")
    def _names_something(self) -> "Boost":
        if not self.model_fields_set - {"name", "log_odds"}:
            raise ValueError("a boost names items, categories, brands, sources, a price band or `promoted`")
        return self


class Exposure(Section):
    """What is done about an item that the user was shown in vain.

    Attributes:
        demote_after: showings without a click from which on it is demoted.
        log_odds: what is added to its score for that showing and each later one; at most 0.
        withhold_after: showings without a click from which on it is withheld while there are others; None never does.
    """

    demote_after: int = Field(3, ge=1)
    log_odds: float = Field(-0.2, le=0)
    withhold_after: int | None = Field(None, ge=1)


class Decay(Section):
    """Lowers the second, third ... best of one source, category or brand: X's rule for authors.

    The k-th best, from 0, keeps (1 - floor) * decay**k + floor of its odds.
    """

    by: Kind = "brand"
    decay: float = Field(0.5, gt=0, le=1)
    floor: float = Field(0.25, gt=0, le=1)


class Diversity(Section):
    """Trades score for being unlike what stands above.

    Attributes:
        method: `dpp`, `mmr` or `none`.
        weight: from 0, all for difference, to below 1, nearly all for the score: theta of the DPP, lambda of MMR.
        best_of: a place goes to one of so many best-scored candidates, if one of them breaks no rule.
        among: how many neighbours have to be unlike each other; None: the whole list. Only for `dpp`.
    """

    method: Literal["dpp", "mmr", "none"] = "dpp"
    weight: float = Field(0.8, ge=0, lt=1)
    best_of: int = Field(150, ge=1)
    among: int | None = Field(None, ge=2)

    @model_validator(mode="after")
    def _fits_the_method(self) -> "Diversity":
        if self.among is not None and self.method != "dpp":
            raise ValueError("`among` is for `method: dpp`")
        return self


class Window(Section):
    """At most `most` of one source, category or brand among any `places` neighbours."""

    by: Kind
    most: int = Field(ge=1)
    places: int = Field(ge=2)

    @model_validator(mode="after")
    def _can_bind(self) -> "Window":
        if self.most >= self.places:
            raise ValueError(f"at most {self.most} of {self.places} neighbours always holds: make `most` smaller")
        return self


Amount = int | float
"""Items where it is whole, a part of the places where it is below 1."""


class Quota(Section):
    """How many items of one source, category or brand a list holds.

    Attributes:
        by: which of them.
        name: its name.
        at_least: items, or a part below 1.
        at_most: items, or a part below 1.
        places: the two hold for any so many neighbours; None: for the list.
    """

    by: Kind
    name: str
    at_least: Amount | None = Field(None, gt=0)
    at_most: Amount | None = Field(None, ge=0)
    places: int | None = Field(None, ge=2)

    @model_validator(mode="after")
    def _can_hold(self) -> "Quota":
        if self.at_least is None and self.at_most is None:
            raise ValueError("a quota needs `at_least` or `at_most`")
        for amount in (self.at_least, self.at_most):
            if amount is not None and amount >= 1 and amount != int(amount):
                raise ValueError(f"{amount:g} is neither a number of items nor a part below 1")
        least, most = self.at_least, self.at_most
        if least is not None and most is not None and (least < 1) == (most < 1) and least > most:
            raise ValueError(f"at least {least:g} and at most {most:g} exclude each other")
        return self

    def least(self, length: int) -> int:
        """Return `at_least` in items, for a list of a length; 0 where there is none."""
        return counted(self.at_least or 0, self.places or length, math.ceil)

    def most(self, length: int) -> int | None:
        """Return `at_most` in items, for a list of a length."""
        return None if self.at_most is None else counted(self.at_most, self.places or length, math.floor)


def counted(amount: Amount, places: int, whole: Callable[[float], int]) -> int:
    """Return an amount in items.

    >>> counted(3, 20, math.ceil), counted(0.3, 10, math.ceil), counted(0.25, 10, math.floor)
    (3, 3, 2)
    """
    return int(amount) if amount >= 1 else whole(round(amount * places, 9))


class Pin(Section):
    """Puts an item on a place, counted from 1, if the filters leave it; the last place where the list is shorter."""

    item: str
    place: int = Field(ge=1)


class NewItems(Section):
    """Keeps places for items that are new and have hardly been shown, so that they get the chance to be.

    Attributes:
        places: counted from 1; those beyond the end of a list do not count.
        younger_than_hours: what is new.
        fewer_than_impressions: with so many impressions by anybody an item has had its chance.
    """

    places: tuple[int, ...] = ()
    younger_than_hours: float = Field(24, gt=0)
    fewer_than_impressions: int = Field(1000, ge=1)

    @model_validator(mode="after")
    def _places_count_from_one(self) -> "NewItems":
        if any(place < 1 for place in self.places):
            raise ValueError("places count from 1")
        return self


class Rules(Section):
    """All that re-ranking does in one placement. What is left out is as `SCENES` has it for the scene.

    Attributes:
        scene: the page that shows the list.
        filters: what is taken away.
        score: what orders the candidates.
        boosts: what is raised or lowered.
        novelty: log-odds for each bit of -log2 of an item's part of all events; 0 leaves popular items alone.
        exposure: what is done about items shown in vain.
        decay: what is done about the second best of a brand.
        diversity: how much unlike each other neighbours are.
        pins: items with places of their own.
        windows: how many alike there are among neighbours.
        quotas: how many of a source, category or brand there are.
        new_items: places for new items.
    """

    scene: Scene = "home"
    filters: Filters = Filters()
    score: Score = Score()
    boosts: tuple[Boost, ...] = ()
    novelty: float = Field(0.0, ge=-5, le=5)
    exposure: Exposure | None = None
    decay: Decay | None = None
    diversity: Diversity = Diversity()
    pins: tuple[Pin, ...] = ()
    windows: tuple[Window, ...] = ()
    quotas: tuple[Quota, ...] = ()
    new_items: NewItems = NewItems()

    @model_validator(mode="before")
    @classmethod
    def _scene_fills_in(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        scene = given.get("scene", "home")
        return overlaid(SCENES[scene], given) if isinstance(scene, str) and scene in SCENES else given

    @model_validator(mode="after")
    def _pins_do_not_meet(self) -> "Rules":
        for what in ("item", "place"):
            values = [getattr(pin, what) for pin in self.pins]
            if twice := [value for value in values if values.count(value) > 1]:
                raise ValueError(f"two pins name the {what} {twice[0]}")
        return self


SCENES: Mapping[str, Mapping[str, Any]] = {
    "home": {
        "filters": {"purchased": {"repeat": "after", "days": 30}, "seen": {"hours": 24}},
        "score": {"rewards": {"click": 1.0, "purchase": 5.0}},
        "exposure": {},
        "diversity": {"method": "dpp", "weight": 0.8},
        "windows": ({"by": "category", "most": 2, "places": 5}, {"by": "brand", "most": 2, "places": 5}),
    },
    "search": {  # who searches wants what he asked for, even if he has it
        "filters": {"purchased": {"repeat": "always"}, "seen": None, "recently_played": None},
        "score": {"rewards": {"click": 1.0, "purchase": 10.0}, "relevance": 0.5},
        "diversity": {"method": "mmr", "weight": 0.95},
    },
    "detail": {  # alike on purpose, but not one brand only
        "filters": {"purchased": {"repeat": "after", "days": 30}, "seen": None},
        "score": {"rewards": {"click": 1.0, "purchase": 10.0}, "relevance": 0.5},
        "diversity": {"method": "dpp", "weight": 0.9},
        "windows": ({"by": "brand", "most": 3, "places": 5},),
    },
    "cart": {  # what goes with the cart, each of another kind
        "filters": {"purchased": {"repeat": "habit", "days": 30}, "seen": None},
        "score": {"rewards": {"click": 0.2, "purchase": 10.0}, "decay": 0.5},
        "diversity": {"method": "dpp", "weight": 0.85},
        "windows": ({"by": "category", "most": 1, "places": 3},),
    },
}
"""Scene -> what its rules are where a placement says nothing."""


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two nested mappings say together: the upper one has the last word, a list replaces a list.

    >>> overlaid({"a": {"x": 1, "y": 2}, "b": [1]}, {"a": {"y": 3}, "b": []})
    {'a': {'x': 1, 'y': 3}, 'b': []}
    """
    both = {**below, **above}
    for name in below.keys() & above.keys():
        if isinstance(below[name], Mapping) and isinstance(above[name], Mapping):
            both[name] = overlaid(below[name], above[name])
    return both


def read_placement_rules(text: str) -> Rules:
    """Read the section `reranking:` of a placement from YAML; an empty one gives the rules of the scene `home`.

    Raises:
        FreshetError: something in it cannot be; the sentence names the place, and what could stand there.
    """
    try:
        value: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise FreshetError(f"The rules of re-ranking are not YAML: {' '.join(str(error).split())}.") from None
    if value is not None and not isinstance(value, dict):
        raise FreshetError("The rules of re-ranking are no mapping: give names with values, such as `scene: home`.")
    try:
        return Rules.model_validate(value or {})
    except ValidationError as error:
        raise FreshetError(f"The rules of re-ranking: {first_fault(error)}.") from None


def first_fault(error: ValidationError) -> str:
    """Return the first thing that is wrong, as a clause that names where; of an unknown name also what it may have meant."""
    # A misspelt name is also missing under its right one: it explains the other error.
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"{where}: {first['msg'].removeprefix('Value error, ')}".removeprefix(": ")
    *around, last = first["loc"]
    known = sorted(_section(around).model_fields)
    meant = difflib.get_close_matches(str(last), known, n=1)
    return f"there is no `{where}`; " + (f"it may mean `{meant[0]}`" if meant else f"there are {', '.join(known)}")


def _section(path: Sequence[int | str]) -> type[Section]:
    section: type[Section] = Rules
    for name in path:
        if isinstance(name, str):
            section = _inner(section.model_fields[name].annotation)
    return section


def _inner(annotation: Any) -> type[Section]:
    return next(
        one for one in (annotation, *get_args(annotation)) if isinstance(one, type) and issubclass(one, Section)
    )
