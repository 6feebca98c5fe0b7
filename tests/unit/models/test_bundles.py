"""Bundles for a cart, and the discounts that apply to them."""

from datetime import date
from typing import Any

import numpy as np

from freshet.models.bundles import Bar, Offer, accessories, bundle, core_of, discount, interests, offers_now
from freshet.models.sources.together import BasketRules

PASTA, SPAGHETTI, SAUCE, PESTO, CHEESE, SOAP = range(1, 7)
KINDS = np.array([0, 1, 1, 2, 2, 3, 0])  # pasta twice, sauce twice, cheese, and soap without a type
LOW = Bar(baskets=3, confidence=0.1, lift=1.2)
FIRST, LAST = date(2017, 12, 1), date(2017, 12, 10)


def a_shop() -> BasketRules:
    counts = BasketRules(6)
    often = [PASTA, SPAGHETTI, SAUCE], [PASTA, SAUCE, CHEESE], [PASTA, PESTO], [SOAP]
    for basket, times in zip(often, (5, 8, 4, 40), strict=True):
        for _ in range(times):
            counts.learn(np.array(basket))
    return counts


def a_cart(*items: int) -> np.ndarray:  # type: ignore[type-arg]
    return np.array(items, np.int64)


def an_offer(kind: str = "coupon", ref: str = "c1", items: tuple[int, ...] = (SAUCE,), **changes: Any) -> Offer:
    return Offer(kind, ref, frozenset(items), FIRST, LAST)._replace(**changes)


def test_an_accessory_is_of_another_type_than_the_core_and_than_the_others() -> None:
    assert [rule.follower for rule in accessories(a_shop(), PASTA, KINDS, 5, LOW)] == [SAUCE, CHEESE]


def test_an_accessory_carries_its_rule() -> None:
    rule = accessories(a_shop(), PASTA, KINDS, 1, LOW)[0]
    assert (rule.leader, rule.confidence, rule.support) == (PASTA, 13 / 17, 13 / 57)
    assert rule.lift == (13 / 17) * 57 / 13


def test_a_rule_below_the_bar_makes_no_accessory() -> None:
    assert accessories(a_shop(), PASTA, KINDS, 5, LOW._replace(lift=100.0)) == []


def test_the_core_is_the_item_with_the_strongest_accessory_that_the_cart_lacks() -> None:
    assert core_of(a_shop(), a_cart(SOAP, PASTA), KINDS, LOW) == PASTA


def test_a_cart_that_goes_with_nothing_has_no_bundle() -> None:
    assert bundle(a_shop(), a_cart(SOAP), a_cart(PASTA, SAUCE), KINDS, bar=LOW) is None


def test_a_bundle_proposes_nothing_that_is_in_the_cart() -> None:
    found = bundle(a_shop(), a_cart(PASTA, SAUCE), a_cart(SAUCE, CHEESE, SOAP), KINDS, bar=LOW)
    assert found is not None
    assert {PASTA, SAUCE}.isdisjoint(found.items[1:])


def test_interests_keep_the_place_that_the_ranking_gave_them() -> None:
    assert interests(a_cart(SPAGHETTI, PESTO, SAUCE, SOAP, CHEESE), [PASTA], KINDS, 2) == [(PESTO, 2), (SOAP, 4)]


def test_offers_of_others_of_other_days_and_used_ones_do_not_apply() -> None:
    offers = [
        an_offer(ref="theirs", households=frozenset({2})),
        an_offer(ref="over", until=date(2017, 12, 4)),
        an_offer(ref="used"),
        an_offer(ref="mine", households=frozenset({1})),
        an_offer(ref="all"),
    ]
    found = offers_now(offers, 1, date(2017, 12, 5), used=frozenset({"used"}))
    assert [offer.ref for offer in found] == ["mine", "all"]


def test_an_offer_holds_on_its_first_and_its_last_day() -> None:
    assert [len(offers_now([an_offer()], 1, day)) for day in (FIRST, LAST)] == [1, 1]


def test_the_offer_that_covers_most_of_the_bundle_is_suggested() -> None:
    wide = an_offer("promotion", "mailer", (PASTA, SAUCE))
    found = discount([PASTA, SAUCE], [an_offer(), wide])
    assert found is not None
    assert (found.offer, found.covered) == (wide, (PASTA, SAUCE))


def test_a_coupon_is_suggested_before_a_promotion_that_covers_as_much() -> None:
    found = discount([PASTA, SAUCE], [an_offer("promotion", "mailer"), an_offer()])
    assert found is not None
    assert found.offer.kind == "coupon"


def test_offers_that_cover_nothing_of_a_bundle_are_no_discount() -> None:
    assert discount([PASTA], [an_offer()]) is None


def test_a_bundle_brings_the_discount_on_its_accessory() -> None:
    found = bundle(a_shop(), a_cart(PASTA), a_cart(SOAP), KINDS, [an_offer()], bar=LOW)
    assert found is not None
    assert found.discount is not None
    assert found.discount.covered == (SAUCE,)
