"""The rules are read from YAML over the defaults of a scene, and what cannot be is refused in a sentence."""

import pytest
from pydantic import ValidationError

from freshet.errors import FreshetError
from freshet.models.reranking.config import SCENES, Exposure, Quota, Rules, Window, read_placement_rules


def test_what_is_left_out_is_as_the_scene_has_it() -> None:
    read = read_placement_rules("scene: cart\nfilters: {purchased: {days: 7}}\nnovelty: 0.1")
    assert read.filters.purchased.repeat == "habit"
    assert read.filters.purchased.days == 7
    assert read.windows == (Window(by="category", most=1, places=3),)
    assert read.novelty == 0.1


def test_a_list_replaces_the_list_of_the_scene_and_null_switches_off() -> None:
    read = read_placement_rules("windows: []\nexposure: null\nfilters: {seen: null}")
    assert (read.windows, read.exposure, read.filters.seen) == ((), None, None)
    assert read_placement_rules("").exposure == Exposure()


@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_has_rules(scene: str) -> None:
    assert read_placement_rules(f"scene: {scene}").scene == scene


def test_rules_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Rules().novelty = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("windws: []", "there is no `windws`; it may mean `windows`."),
        ("filters: {seen: {hurs: 3}}", "there is no `filters.seen.hurs`; it may mean `hours`."),
        ("windows: [{by: brand, most: 1, plces: 3}]", "there is no `windows.0.plces`; it may mean `places`."),
        ("filters: {seen: {zzz: 1}}", "there is no `filters.seen.zzz`; there are hours."),
        ("scene: hom", "scene: Input should be 'home', 'search', 'detail' or 'cart'."),
        ("filters: {purchased: {repeat: after, days: null}}", "`repeat: after` needs `days`"),
        ("windows: [{by: brand, most: 3, places: 3}]", "at most 3 of 3 neighbours always holds"),
        ("quotas: [{by: brand, name: x}]", "a quota needs `at_least` or `at_most`"),
        ("quotas: [{by: brand, name: x, at_most: 1.5}]", "1.5 is neither a number of items nor a part below 1"),
        ("quotas: [{by: brand, name: x, at_least: 3, at_most: 2}]", "at least 3 and at most 2 exclude each other"),
        ("boosts: [{name: x, log_odds: 1}]", "a boost names items, categories"),
        ("pins: [{item: a, place: 1}, {item: b, place: 1}]", "two pins name the place 1"),
        ("pins: [{item: a, place: 1}, {item: a, place: 2}]", "two pins name the item a"),
        ("new_items: {places: [0]}", "places count from 1"),
        ("diversity: {method: mmr, among: 4}", "`among` is for `method: dpp`"),
        ("novelty: .nan", "Input should be a finite number"),
        ("[1]", "are no mapping"),
        ("a: [", "are not YAML"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence_that_names_it(text: str, fault: str) -> None:
    with pytest.raises(FreshetError) as caught:
        read_placement_rules(text)
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_amount_is_items_or_a_part_of_the_places() -> None:
    quota = Quota(by="brand", name="acme", at_least=0.3, at_most=5)
    assert (quota.least(10), quota.least(11), quota.most(10)) == (3, 4, 5)
    assert Quota(by="brand", name="acme", at_most=0.25, places=8).most(20) == 2
