"""Bundles for a cart: a core item, what strongly goes with it, what else the household is likely to want, and a discount.

    core ─► accessories: rules of high lift and confidence, of other product types
         ─► interests: the first of the household's own ranking, of types that are not there yet
         ─► an offer: a coupon or promotion that holds now and covers part of it

Everything is a pure function of counts, rankings and offers; every part carries the rule or the rank behind it.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from freshet.models.sources.together import LEAST_TOGETHER, BasketCounts, Rule
from freshet.models.user_state import Ints


class Bar(NamedTuple):
    """What a rule has to reach for a strong accessory."""

    baskets: float = 4 * LEAST_TOGETHER
    confidence: float = 0.03
    lift: float = 3.0


class Offer(NamedTuple):
    """A discount that a household can have, or everyone where `households` is None.

    Attributes:
        kind: `coupon` or `promotion`.
        ref: the coupon's code, or where the promotion is: `mailer` or `display`.
        items: indices that it covers.
        since: first day; until: last day, both included.
        households: whose it is.
    """

    kind: str
    ref: str
    items: frozenset[int]
    since: date
    until: date
    households: frozenset[int] | None = None


class Discount(NamedTuple):
    """An offer beside a bundle, and the items of the bundle that it covers, in the order of the bundle."""

    offer: Offer
    covered: tuple[int, ...]


class Bundle(NamedTuple):
    """A bundle.

    Attributes:
        core: the item of the cart that it is built around.
        accessories: the rules core -> accessory, strongest first.
        interests: (item, its place in the household's ranking, from 1), first places first.
        discount: the best offer, None where none covers anything of it.
    """

    core: int
    accessories: tuple[Rule, ...]
    interests: tuple[tuple[int, int], ...]
    discount: Discount | None

    @property
    def items(self) -> tuple[int, ...]:
        """The core, the accessories, the interests."""
        return (self.core, *(rule.follower for rule in self.accessories), *(item for item, _ in self.interests))


def accessories(counts: BasketCounts, core: int, kinds: Ints, k: int, bar: Bar | None = None) -> list[Rule]:
    """Return at most k rules from a core to items of other product types, each of a type of its own, best cosine first.

    An item without a type (kind 0) is no accessory: nothing says that it is not the same thing in another packing.
    """
    bar = bar or Bar()
    rows = counts.rows(np.array([core]))
    members, together = rows.members[0], rows.counts[0]
    leader, n = float(counts.totals(np.array([core]))[0]), counts.baskets
    followers = np.maximum(counts.totals(members), 1.0)
    confidence = together / max(leader, 1.0)
    lift = confidence * n / followers
    is_strong = (together >= bar.baskets) & (confidence >= bar.confidence) & (lift >= bar.lift)
    is_other = (kinds[members] != kinds[core]) & (kinds[members] > 0)
    strong = np.flatnonzero(is_strong & is_other)
    strong = strong[
        np.lexsort((members[strong], -(confidence * lift)[strong]))
    ]  # confidence x lift: the cosine, squared
    strong = strong[_first_of_each(kinds[members[strong]])][:k]
    return [
        Rule(core, int(members[at]), float(together[at] / n), float(confidence[at]), float(lift[at])) for at in strong
    ]


def core_of(counts: BasketCounts, cart: Ints, kinds: Ints, bar: Bar | None = None) -> int | None:
    """Return the item of a cart with the strongest accessory that the cart lacks; None where no rule reaches the bar.

    Equal ones: the one put in last, which is what the shopper has in mind.
    """
    strongest: list[tuple[float, int, int]] = []
    for place, core in enumerate(cart.tolist()):
        found = [rule for rule in accessories(counts, core, kinds, len(kinds), bar) if rule.follower not in cart]
        if found:
            strongest.append((found[0].confidence * found[0].lift, place, core))
    return max(strongest)[2] if strongest else None


def interests(ranking: Ints, taken: Iterable[int], kinds: Ints, k: int) -> list[tuple[int, int]]:
    """Return at most k items of a ranking with their places, from 1, each of a type that neither `taken` nor another has.

    Args:
        ranking: int64 [n], the household's own, best first.
        taken: items of the cart and the accessories.
        kinds: int64 [V], product types; 0, no type, is like no other.
        k: how many.
    """
    held = np.array(sorted(taken), np.int64)
    types = kinds[held][kinds[held] > 0]
    free = np.flatnonzero(~np.isin(ranking, held) & ~np.isin(kinds[ranking], types))
    free = free[_first_of_each(kinds[ranking[free]])][:k]
    return [(int(ranking[place]), int(place) + 1) for place in free]


def _first_of_each(kinds: Ints) -> Ints:
    # Positions of the first of each type, in order; all of those without a type.
    is_first = np.zeros(len(kinds), np.bool_)
    is_first[np.unique(kinds, return_index=True)[1]] = True
    return np.flatnonzero(is_first | (kinds == 0))


def offers_now(offers: Sequence[Offer], household: int, day: date, used: frozenset[str] = frozenset()) -> list[Offer]:
    """Return the offers that a household can have on a day: those that hold, are its own and are not used up."""
    return [
        offer
        for offer in offers
        if offer.since <= day <= offer.until
        and (offer.households is None or household in offer.households)
        and offer.ref not in used
    ]


def discount(items: Sequence[int], offers: Sequence[Offer]) -> Discount | None:
    """Return the offer that goes best with the items of a bundle; None where none covers any.

    The one that covers most of it; then a coupon before a promotion, since the household may forget that it has it;
    then the one that ends first.
    """
    covering = [Discount(offer, tuple(item for item in items if item in offer.items)) for offer in offers]
    covering = [one for one in covering if one.covered]
    order = {"coupon": 0, "promotion": 1}
    return min(
        covering,
        key=lambda one: (-len(one.covered), order.get(one.offer.kind, 2), one.offer.until, one.offer.ref),
        default=None,
    )


def bundle(
    counts: BasketCounts,
    cart: Ints,
    ranking: Ints,
    kinds: Ints,
    offers: Sequence[Offer] = (),
    sizes: tuple[int, int] = (3, 2),
    bar: Bar | None = None,
) -> Bundle | None:
    """Return the bundle for a cart; None where nothing in it has a strong accessory.

    Args:
        counts: of all baskets.
        cart: int64 [n], indices from 1, the last put in at the end.
        ranking: int64 [m], the household's own for this cart, best first.
        kinds: int64 [V], the product type of each item.
        offers: those of the household now, from `offers_now`.
        sizes: at most so many accessories and interests.
        bar: what a rule has to reach.
    """
    core = core_of(counts, cart, kinds, bar)
    if core is None:
        return None
    held = set(cart.tolist())
    strong = [rule for rule in accessories(counts, core, kinds, len(kinds), bar) if rule.follower not in held]
    strong = strong[: sizes[0]]
    taken = held | {rule.follower for rule in strong}
    rest = interests(ranking, taken, kinds, sizes[1])
    found = Bundle(core, tuple(strong), tuple(rest), None)
    return found._replace(discount=discount(found.items, offers))
