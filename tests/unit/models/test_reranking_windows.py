"""A window bars what would break it and what would leave no way on; both equal a search through all lists."""

from collections import Counter
from functools import cache
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from freshet.models.reranking.diversity import ByQuality
from freshet.models.reranking.pins import pinned
from freshet.models.reranking.placing import filled
from freshet.models.reranking.quotas import missing
from freshet.models.reranking.windows import Window, barred, dead_ends, never_scarce

windows = st.tuples(st.integers(1, 3), st.integers(2, 5)).filter(lambda window: window[0] < window[1])


def holds(line: list[int], most: int, places: int) -> bool:
    spans = [line[start : start + places] for start in range(len(line))]
    return all(count <= most for span in spans for code, count in Counter(span).items() if code)


@cache
def can_be_filled(near: tuple[int, ...], counts: tuple[int, ...], most: int, places: int, left: int) -> bool:
    """Tell by trying everything; counts are by code, 0 first."""
    if not left:
        return True
    for code, count in enumerate(counts):
        if count and (not code or near.count(code) < most):
            fewer = (*counts[:code], count - 1, *counts[code + 1 :])
            if can_be_filled((*near, code)[1 - places :], fewer, most, places, left - 1):
                return True
    return False


@given(st.lists(st.integers(0, 3), min_size=1, max_size=9), st.data(), windows)
def test_a_code_is_barred_from_a_place_where_it_would_break_the_window(
    line: list[int], data: st.DataObject, window: tuple[int, int]
) -> None:
    most, places = window
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] = 0
    if holds(line, most, places):
        breaking = {code for code in range(1, 4) if not holds([*line[:place], code, *line[place + 1 :]], most, places)}
        assert barred(line, place, most, places) == breaking


@given(st.lists(st.integers(0, 4), min_size=2, max_size=5), st.lists(st.integers(0, 4), max_size=5), windows, st.data())
def test_a_dead_end_is_a_code_behind_which_no_list_goes_on(
    counts: list[int], above: list[int], window: tuple[int, int], data: st.DataObject
) -> None:
    most, places = window
    left = data.draw(st.integers(1, 8))
    if not holds(above, most, places):
        return
    found = dead_ends(above, {code: count for code, count in enumerate(counts) if count}, most, places, left)
    barring = barred([*above, 0], len(above), most, places)
    for code, count in enumerate(counts):
        if count and code not in barring:
            fewer = (*counts[:code], count - 1, *counts[code + 1 :])
            near = tuple([*above, code][1 - places :])
            assert (code in found) != can_be_filled(near, fewer, most, places, left - 1)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=5), windows, st.integers(1, 9))
def test_where_candidates_abound_no_way_is_a_dead_end(counts: list[int], window: tuple[int, int], length: int) -> None:
    most, places = window
    if never_scarce(np.array(counts), most, places, length):
        line: list[int] = []
        for place in range(length):  # the worst that can be done: the rarest that is not barred comes next
            barring = barred([*line, 0], place, most, places)
            there = [code for code, count in enumerate(counts) if count and code not in barring]
            line.append(min(there, key=lambda code: (counts[code], code)))
            counts[line[-1]] -= 1
        assert holds(line, most, places)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=14), windows, st.integers(1, 9))
def test_a_list_keeps_its_window_wherever_any_list_of_the_candidates_does(
    own: list[int], window: tuple[int, int], length: int
) -> None:
    (most, places), codes = window, np.array(own)
    size = min(length, len(own))
    free = np.ones(len(own), np.bool_)
    rule = Window("window", codes, most, places, free=free, line=[0] * size)
    quality = np.linspace(1, 0, len(own)).astype(np.float32)
    placed = filled(size, ByQuality(quality), [rule], {})
    line = [own[position] for position in placed.positions]
    counts = tuple(own.count(code) for code in range(5))
    assert holds(line, most, places) == can_be_filled((), counts, most, places, size)
    assert holds(line, most, places) == (not any(placed.relaxed))


@given(st.lists(st.sampled_from([True, False]), max_size=6), st.integers(0, 3), st.integers(1, 5), st.integers(1, 8))
def test_what_is_missing_is_what_a_window_would_lack_if_no_member_came(
    above: list[bool], least: int, places: int, left: int
) -> None:
    line = [*above, *[None] * left]
    for end, need in missing(line, len(above), least, places):
        span = line[end - places + 1 : end + 1]
        assert len(span) == places
        assert span.count(True) + need == least


@given(st.dictionaries(st.integers(0, 40), st.integers(0, 99), max_size=8), st.integers(0, 10))
def test_pins_stand_apart_in_their_order_on_the_list(wanted: dict[int, int], size: int) -> None:
    stand = pinned(wanted, size)
    assert len(stand) == min(len(wanted), size)
    assert all(0 <= place < size for place in stand)
    assert all(one < other for one, other in pairwise(stand))
    assert list(stand.values()) == [wanted[place] for place in sorted(wanted)][:size]
