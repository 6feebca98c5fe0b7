"""Whatever is wrong with a model, a worker gets scores that are numbers, or is told that there are none."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from freshet.errors import FreshetError
from freshet.models import features, tiers
from freshet.models.artefact import Artefact, default_folder
from freshet.models.breaker import Breaker, Limits, State
from freshet.models.candidates import CovisitTable
from freshet.models.features import Floats
from freshet.models.manifest import COVISITS, GRAPHS, ITEMS, LIGHT, MODEL, described
from freshet.models.scorer import CPU, NotScorable
from freshet.models.tiers import NothingScores, Scored, TieredScorer
from freshet.models.vectors import item_table
from freshet.models.vocabulary import Vocabulary

EditManifest = Callable[[Callable[[dict[str, Any]], None]], None]
Batch = tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats]

SHIPPED = (default_folder() / MODEL).read_bytes()
ITEM_COUNT = len(Artefact.load().vocabulary)


def a_batch(users: int = 2, candidates: int = 10) -> Batch:
    generator = np.random.default_rng(users)
    return (
        generator.integers(0, 100, (users, features.RECENT)),
        generator.integers(1, 100, (users, candidates)),
        generator.random((users, features.USER_WIDTH), np.float32),
        generator.random((users, candidates, features.CANDIDATE_WIDTH), np.float32),
    )


# ---- A model that cannot be loaded ------------------------------------------------------------------------------------


def with_other_bytes(model: bytes) -> bytes:
    return model[: len(model) // 2] + b"\0" * 8 + model[len(model) // 2 + 8 :]


def truncated(model: bytes) -> bytes:
    return model[: len(model) // 3]


def empty(model: bytes) -> bytes:
    return b""


def of_an_opset_to_come(model: bytes) -> bytes:
    (opset,) = [part for part in (b"\x42\x04\x0a\x00\x10\x12", b"\x42\x02\x10\x12") if part in model]
    return model.replace(opset, opset[:-1] + b"\x7f")


def of_more_recent_items(model: bytes) -> bytes:
    twenty = b"\x0a\x02\x08\x14"
    at = model.index(twenty, model.rindex(b"\x0a\x0crecent_items"))
    return model[:at] + b"\x0a\x02\x08\x15" + model[at + len(twenty) :]


def of_no_numbers(model: bytes) -> bytes:
    table = the_table(model)
    return model.replace(table.tobytes(), np.full_like(table, np.nan).tobytes())


def the_table(model: bytes) -> NDArray[np.float32]:
    table = item_table(model)
    assert table is not None
    return table


SPOILS = (truncated, empty, of_an_opset_to_come, of_more_recent_items, of_no_numbers)


@pytest.fixture
def spoil(artefact_folder: Path, edit_manifest: EditManifest) -> Callable[[bytes], Path]:
    """Return what puts another graph into an artefact, with the hash of it: as if it had been trained so."""

    def put(model: bytes) -> Path:
        (artefact_folder / MODEL).write_bytes(model)
        edit_manifest(lambda value: value["files"].update({MODEL: described(artefact_folder / MODEL).model_dump()}))
        return artefact_folder

    return put


@pytest.mark.parametrize("change", SPOILS)
def test_a_graph_that_is_none_is_refused_before_a_job_is_submitted(
    change: Callable[[bytes], bytes], spoil: Callable[[bytes], Path]
) -> None:
    with pytest.raises(FreshetError, match="train it again"):
        tiers.load(spoil(change(SHIPPED)), (CPU,))


@pytest.mark.parametrize("change", SPOILS)
def test_a_worker_goes_on_with_the_light_model_and_says_why(
    change: Callable[[bytes], bytes], spoil: Callable[[bytes], Path], caplog: pytest.LogCaptureFixture
) -> None:
    folder = spoil(change(SHIPPED))
    with caplog.at_level(logging.ERROR):
        scorer = tiers.load_best(folder, (CPU,))
    assert (scorer.tier, scorer.provider) == ("light", "numpy")
    assert "train it again" in scorer.reason
    assert "The light model scores" in caplog.text
    assert np.isfinite(scorer.score(*a_batch())).all()


@pytest.mark.parametrize("change", [with_other_bytes, truncated, empty])
def test_a_graph_that_is_not_the_one_that_was_trained_is_refused_by_its_hash(
    change: Callable[[bytes], bytes], artefact_folder: Path
) -> None:
    (artefact_folder / MODEL).write_bytes(change(SHIPPED))
    with pytest.raises(FreshetError, match="is not the file that was trained"):
        tiers.load(artefact_folder, (CPU,))
    assert tiers.load_best(artefact_folder, (CPU,)).tier == "light"


def test_a_missing_graph_leaves_the_light_model(artefact_folder: Path) -> None:
    (artefact_folder / MODEL).unlink()
    with pytest.raises(FreshetError, match=r"has no readable model\.onnx"):
        tiers.load(artefact_folder, (CPU,))
    assert tiers.load_best(artefact_folder, (CPU,)).scored(*a_batch()) is not None


@pytest.mark.parametrize("name", [name for name in GRAPHS if name != MODEL])
def test_a_damaged_variant_leaves_the_full_model(name: str, artefact_folder: Path) -> None:
    (artefact_folder / name).write_bytes(b"spoilt")
    precision = name.split(".")[1]
    with pytest.raises(FreshetError, match=f"{name} is not the file that was trained"):
        tiers.load(artefact_folder, (CPU,), precision)
    assert tiers.load_best(artefact_folder, (CPU,), precision).tier == "full-cpu"


@pytest.mark.parametrize("name", [ITEMS, COVISITS, LIGHT])
def test_without_items_or_light_model_there_is_nothing_to_go_on_with(name: str, artefact_folder: Path) -> None:
    (artefact_folder / name).write_bytes(b"spoilt")
    with pytest.raises(FreshetError, match=f"{name} is not the file that was trained"):
        tiers.load_best(artefact_folder, (CPU,))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(at=st.integers(0, len(SHIPPED) - 1), byte=st.integers(0, 255))
def test_whatever_byte_is_wrong_no_score_is(at: int, byte: int, spoil: Callable[[bytes], Path]) -> None:
    scorer = tiers.load_best(spoil(SHIPPED[:at] + bytes([byte]) + SHIPPED[at + 1 :]), (CPU,))
    found = scorer.scored(*a_batch())
    assert found is not None
    assert np.isfinite(found.scores).all()


# ---- A model that fails when it is asked ------------------------------------------------------------------------------


def test_an_item_whose_vector_is_no_number_is_scored_by_the_light_model(spoil: Callable[[bytes], Path]) -> None:
    table = the_table(SHIPPED)
    spoilt = table.copy()
    spoilt[77] = np.nan
    scorer = tiers.load(spoil(SHIPPED.replace(table.tobytes(), spoilt.tobytes())), (CPU,))
    recent, candidates, *rest = a_batch()
    recent[recent == 77], candidates[candidates == 77] = 76, 76
    sound = scorer.scored(recent, candidates, *rest)
    candidates[1, 3] = 77
    degraded = scorer.scored(recent, candidates, *rest)
    assert sound is not None
    assert degraded is not None
    assert (sound.tier, sound.reason) == ("full-cpu", "")
    assert (degraded.tier, degraded.reason) == ("light", "scores holds NaN or infinity")
    assert np.isfinite(degraded.scores).all()


def test_a_graph_that_raises_leaves_the_batch_to_the_light_model(
    artefact_folder: Path, edit_manifest: EditManifest
) -> None:
    one_too_many(artefact_folder, edit_manifest)
    scorer = tiers.load(artefact_folder, (CPU,))
    batch = a_batch()
    batch[1][0, 0] = ITEM_COUNT + 1
    found = scorer.scored(*batch)
    assert found is not None
    assert found.tier == scorer.tier == "light"
    assert "ONNX Runtime refused the inputs" in found.reason
    assert scorer.tally.failures == 1


def one_too_many(folder: Path, edit_manifest: EditManifest) -> None:
    """Let an artefact claim an item that its graph has no vector of."""
    artefact = Artefact.load(folder)
    known, table = artefact.vocabulary, artefact.covisits
    longer = Vocabulary((*known.items, "new"), known.categories, np.append(known.item_category, 1).astype(np.int32))
    longer.write(folder / ITEMS)
    neighbours, scores = (np.concatenate([part, part[:1]]) for part in (table.neighbours, table.scores))
    CovisitTable(neighbours, scores).write(folder / COVISITS)
    files = {name: described(folder / name).model_dump() for name in (ITEMS, COVISITS)}
    edit_manifest(lambda value: value["files"].update(files))
    edit_manifest(lambda value: value.update(items=len(longer)))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part", [2, 3])
def test_a_feature_that_is_no_number_counts_as_none_at_all(wrong: float, part: int) -> None:
    scorer, batch, without = tiers.load(providers=(CPU,)), a_batch(), a_batch()
    batch[part].flat[-1], without[part].flat[-1] = wrong, 0.0
    found = scorer.scored(*batch)
    assert found is not None
    assert found.tier == "light"
    assert np.array_equal(found.scores, Artefact.load().light().score(*without))


def test_inputs_that_no_model_can_score_are_told_from_scores() -> None:
    scorer, (recent, candidates, user, candidate) = tiers.load(providers=(CPU,)), a_batch()
    short = (recent[:, :5], candidates, user, candidate)
    assert scorer.scored(*short) is None
    assert (scorer.tier, scorer.tally.none) == ("none", 1)
    with pytest.raises(NothingScores, match="No tier can score this batch"):
        scorer.score(*short)


# ---- When the full model is tried -------------------------------------------------------------------------------------


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Stub:
    """A model that fails while it is told to."""

    provider = "stub"
    version = "stub/1"

    def __init__(self, tier: str) -> None:
        self.tier = tier
        self.fails = False
        self.asked = 0

    def score(self, *inputs: NDArray[Any]) -> Floats:
        self.asked += 1
        if self.fails:
            raise NotScorable("out of order")
        return np.ones(inputs[1].shape, np.float32)


def answer(scorer: TieredScorer) -> Scored:
    found = scorer.scored(*a_batch())
    assert found is not None
    return found


LIMITS = Limits(in_a_row=3, cool_down_s=30.0, probe_share=0.5, probes=2, sound_share=0.9)


def a_scorer() -> tuple[TieredScorer, Stub, Clock]:
    full, clock = Stub("full-cpu"), Clock()
    return TieredScorer(full, Stub("light"), breaker=Breaker(LIMITS, clock=clock, changed=tiers.tell)), full, clock


def test_a_full_model_that_fails_again_and_again_is_left_alone_then_tried_with_some_batches(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scorer, full, clock = a_scorer()
    full.fails = True
    asked = []
    for _ in range(LIMITS.in_a_row + 5):
        scorer.score(*a_batch())
        asked.append(full.asked)
    assert asked[-6:] == [LIMITS.in_a_row] * 6
    clock.now = 30.0
    for _ in range(4):
        scorer.score(*a_batch())
    assert full.asked == LIMITS.in_a_row + 1
    told = "the breaker of the full model is open, it was closed: 3 calls in a row failed"
    assert [told in line for line in caplog.messages].count(True) == 1


def test_a_full_model_that_works_again_makes_the_lists() -> None:
    scorer, full, clock = a_scorer()
    full.fails = True
    for _ in range(LIMITS.in_a_row):
        scorer.score(*a_batch())
    full.fails = False
    assert answer(scorer).tier == "light"
    clock.now = 30.0
    assert [answer(scorer).tier for _ in range(6)] == ["light", "full-cpu", "light", *["full-cpu"] * 3]
    assert answer(scorer)[1:] == ("full-cpu", "")
    assert scorer.reason == ""


def test_a_full_model_that_is_slow_for_a_minute_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer, full, clock = a_scorer()
    score = full.score

    def slowly(*inputs: NDArray[Any]) -> Floats:
        clock.now += 0.6
        return score(*inputs)

    monkeypatch.setattr(full, "score", slowly)
    tiers_of = [answer(scorer).tier for _ in range(130)]
    assert tiers_of[:90] == ["full-cpu"] * 90
    assert tiers_of[-1] == "light"


def test_bad_batches_among_good_ones_do_not_make_it_rest() -> None:
    scorer, full, _ = a_scorer()
    for number in range(20):
        full.fails = number % 2 == 1
        scorer.score(*a_batch())
    assert (scorer.tally.full, scorer.tally.light, scorer.tally.failures) == (10, 10, 10)


@pytest.mark.parametrize("scores", [np.full((2, 10), np.nan), np.full((2, 10), np.inf), np.ones((2, 9)), np.ones(20)])
def test_scores_that_are_no_answer_leave_by_no_tier(
    scores: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer, full, _ = a_scorer()
    monkeypatch.setattr(full, "score", lambda *inputs: scores.astype(np.float32))
    assert answer(scorer).tier == "light"
    scorer = TieredScorer(full, full)
    assert scorer.scored(*a_batch()) is None


outages = st.lists(st.tuples(st.booleans(), st.floats(0.0, 40.0)), max_size=60)


@given(outages)
def test_while_the_breaker_is_open_the_full_model_is_never_asked(steps: list[tuple[bool, float]]) -> None:
    scorer, full, clock = a_scorer()
    opened_at = -1.0
    for fails, passes in steps:
        clock.now += passes
        full.fails = fails
        before, opened = full.asked, scorer.breaker.opened
        is_open = scorer.breaker.state is State.OPEN and clock.now < opened_at + LIMITS.cool_down_s
        assert answer(scorer).tier == ("full-cpu" if full.asked > before and not fails else "light")
        assert not (is_open and full.asked > before)
        if scorer.breaker.opened > opened:
            opened_at = clock.now
