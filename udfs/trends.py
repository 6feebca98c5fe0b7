"""Trends: what all users together do, as rows of decayed counts and as sets, kept by the trends job for everybody to read.

    Followers("followers", half_life=timedelta(days=14), last=10)

A row has a key, up to `keep` members with a count each, and a total of its own. Counts halve with every half-life of event
time. Conditions, weights and keys are SQL over the columns of clean events.
"""

from dataclasses import dataclass
from datetime import timedelta

INTEREST = "event_type IN ('view', 'click', 'add_to_cart', 'purchase', 'like', 'play', 'rate', 'share')"
"""Events that speak for an item."""

PURCHASE = "event_type = 'purchase'"

WEIGHT = "CASE event_type WHEN 'purchase' THEN 5e0 WHEN 'add_to_cart' THEN 3e0 ELSE 1e0 END"
"""How much more a purchase says than a look."""


@dataclass(frozen=True)
class Kept:
    """How large rows are, and how often they are written.

    Attributes:
        keep: members in the state of a row; those with the lowest rates are left out, once there are half as many again.
        emit: members in the store.
        every: a new row that changes is written so much later, with all that has come until then; one of 25 events waits
            twice as long, and so on, since an event changes it the less.
        slowest: no row waits longer.
    """

    keep: int = 150
    emit: int = 100
    every: timedelta = timedelta(seconds=1)
    slowest: timedelta = timedelta(seconds=10)


@dataclass(frozen=True)
class Followers:
    """Item -> the items that the same user visits within the next `last` steps, each with 1/steps (sequential rules).

    The total counts the visits of the item. `slack` is how many visits late one may come and still be put in its place.
    """

    name: str
    half_life: timedelta
    last: int
    where: str = INTEREST
    weight: str = "1e0"
    slack: int = 10
    kept: Kept = Kept()


@dataclass(frozen=True)
class CoVisits:
    """Item -> the items that the same user visits within `last` steps before or after.

    The later item of a pair counts (beyond + 1) / (beyond + steps), the earlier one `backwards` times that.
    """

    name: str
    half_life: timedelta
    last: int
    beyond: float = 4.0
    backwards: float = 0.6
    where: str = INTEREST
    weight: str = "1e0"
    slack: int = 10
    kept: Kept = Kept()


@dataclass(frozen=True)
class Together:
    """Item -> the items of the same baskets, each with the number of such baskets; the total is that of the item's.

    The one row of `baskets`, under the key `all`, has as total the number of all baskets, and the items' numbers as counts:
    with it support, confidence and lift follow.

    Attributes:
        basket: tells one basket of a user from another.
        items: so many latest items of a user are looked at.
    """

    name: str
    baskets: str
    half_life: timedelta
    basket: str = "COALESCE(session_id, CAST(event_time AS STRING))"
    where: str = PURCHASE
    items: int = 100
    kept: Kept = Kept()
    all_kept: Kept = Kept(keep=5_000, emit=2_000)


@dataclass(frozen=True)
class Popular:
    """Key -> the items of the events that have it, each with what its events weigh; an event counts once for each of `by`.

    With two half-lives a reader can tell growth: the rates, counts over half-lives, compared.
    """

    name: str
    half_lives: tuple[timedelta, ...]
    by: tuple[str, ...]
    where: str = INTEREST
    weight: str = WEIGHT
    kept: Kept = Kept(keep=1_000, emit=300, slowest=timedelta(seconds=1))


@dataclass(frozen=True)
class Sessions:
    """The latest sessions that are over, as lists of items: no event of the user for longer than `gap`.

    Attributes:
        longest: so many latest visits of a session count.
        shortest: one with fewer different items is left out.
        capacity: so many sessions stay in the store.
    """

    name: str
    gap: timedelta = timedelta(minutes=30)
    longest: int = 50
    shortest: int = 2
    capacity: int = 20_000
    where: str = INTEREST


@dataclass(frozen=True)
class FirstSeen:
    """The items that were seen first last: `capacity` of them, each with the time of its first event."""

    name: str
    capacity: int = 10_000
    where: str = INTEREST


Trend = Followers | CoVisits | Together | Popular | Sessions | FirstSeen

TRENDS: tuple[Trend, ...] = (
    Followers("followers", half_life=timedelta(days=14), last=10),
    CoVisits("covisits", half_life=timedelta(days=14), last=10),
    Together("together", "baskets", half_life=timedelta(days=60)),
    Popular(
        "popular",
        half_lives=(timedelta(hours=6), timedelta(days=5)),
        by=(
            "'all'",
            "CONCAT('category:', category)",
            "CONCAT('region:', context['geo'])",
            "CONCAT('group:', context['group'])",
        ),
    ),
    Sessions("sessions"),
    FirstSeen("fresh"),
)
"""What the job keeps. One that is added begins empty; the others keep their state."""
