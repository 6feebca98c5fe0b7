"""From announced users to lists: features, candidates, one scoring call for the batch, filters, the best.

Rules that act for a user recall candidates, move scores and ask for an intervention (`rule_effects.py`).
Order of filters: recently seen, then purchased. Both are by item id, as the store holds them.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from freshet.models import affinity
from freshet.models.affinity import Affinities
from freshet.models.artefact import Artefact
from freshet.models.candidates import SOURCES, Candidates, candidates, padded, with_category
from freshet.models.features import (
    RECENT,
    USER_SOURCES,
    candidate_features,
    recent_items,
    user_features,
    user_row,
)
from freshet.models.popularity import FEATURES as POPULARITY_FEATURES
from freshet.models.popularity import Popularity, PopularityFeed
from freshet.models.rule_effects import boosted, intervention, log_boosts, recalled
from freshet.models.scorer import OnnxScorer
from freshet.schemas.keys import Hot, TopN
from freshet.udfs.active_rules import Active, ActiveRules
from freshet.udfs.read_features import Feature, FeatureReader, Reading
from freshet.udfs.redis_pipe import RedisPipe
from freshet.udfs.top_n import Intervention, ListedItem, ListWriter, TopList
from freshet.udfs.triggers import Trigger
from freshet.udfs.versions import Version

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

CANDIDATES = 200
POPULARITY_SWEEP_S = 5.0
REASONS = {
    "co-visit": "often bought with your latest items",
    "popular": "popular right now",
    "category": "popular in a category that you look at now",
}

USER_VIEW = "user_activity"
USER_FEATURES = tuple(source.feature for source in USER_SOURCES)
LISTS = ("user_items_last_20", "user_purchases_last_50", "user_categories_last_50")


class Update(NamedTuple):
    """A user whose features have changed, or for whom a rule fired."""

    subject: str
    as_of: int
    sequence: int
    event_id: str
    trigger: Trigger | None = None


class Scorer(Protocol):
    """What the recommender needs of a model."""

    @property
    def version(self) -> str:
        """The model's name and version."""

    @property
    def tier(self) -> str:
        """The tier of the lists that it makes."""

    @property
    def provider(self) -> str:
        """Where it runs."""

    def score(
        self, recent_items: Ints, candidates: Ints, user_features: Floats, candidate_features: Floats, /
    ) -> Floats:
        """Return a score for each candidate, float32 [B, C]."""


@dataclass(frozen=True)
class RecommenderConfig:
    """What a worker needs to load a recommender."""

    redis_url: str
    project: str
    model_path: Path | None
    providers: tuple[str, ...]
    placement: str
    length: int
    ttl_seconds: int


@dataclass(frozen=True)
class Profile:
    """What is known of a user when the list is made."""

    update: Update
    version: Version
    user: list[float]
    recent_ids: tuple[str, ...]
    excluded: frozenset[str]
    categories: frozenset[str]
    rules: Active


class Recommender:
    """Makes and stores the lists of a batch of updated users."""

    def __init__(
        self,
        artefact: Artefact,
        scorer: Scorer,
        users: FeatureReader,
        rules: ActiveRules,
        affinities: Affinities,
        popularity: Callable[[], Popularity],
        writer: ListWriter,
        config: RecommenderConfig,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._vocabulary = artefact.vocabulary
        self._covisits = artefact.covisits
        self._scorer = scorer
        self._users = users
        self._rules = rules
        self._affinities = affinities
        self._popularity = popularity
        self._writer = writer
        self._config = config
        self._now_ms = now_ms
        self._hot_generation = 0

    @property
    def tier(self) -> str:
        """The tier of the lists that are made now."""
        return self._scorer.tier

    @property
    def provider(self) -> str:
        """Where the model runs."""
        return self._scorer.provider

    def recommend(self, updates: Sequence[Update]) -> list[TopList]:
        """Make one list for each subject in the batch, store them, and return them.

        Raises:
            redis.RedisError: the store did not answer; the same batch can be given again.
        """
        newest = {update.subject: update for update in sorted(updates, key=lambda one: (one.as_of, one.sequence))}
        if not newest:
            return []
        self._rules.write([(update.subject, update.trigger) for update in updates if update.trigger])
        profiles = self._profiles(list(newest.values()))
        lists = self._lists(profiles)
        keyed = [(TopN(one.placement, one.subject).encode(), one) for one in lists]
        self._writer.write(keyed, self._config.ttl_seconds)
        self._store_hot()
        return lists

    def _profiles(self, updates: Sequence[Update]) -> list[Profile]:
        subjects = [update.subject for update in updates]
        readings, (acting,) = self._users.read_beside([(one,) for one in subjects], self._rules.reading(subjects))
        rules = self._rules.found_in(acting, len(subjects), self._now_ms())
        return [_profile(*parts) for parts in zip(updates, readings, rules, strict=True)]

    def _lists(self, profiles: Sequence[Profile]) -> list[TopList]:
        popularity = self._popularity()
        recents = np.stack([recent_items(self._known(profile.recent_ids)) for profile in profiles])
        pairs = zip(profiles, recents, strict=True)
        found = [self._candidates(profile, recent, popularity.order) for profile, recent in pairs]
        batch = padded(found, CANDIDATES)
        features = self._candidate_features(profiles, batch, popularity)
        users = user_features(np.array([profile.user for profile in profiles]))
        scores = self._scorer.score(recents, batch, users, features)
        return [self._list(*parts) for parts in zip(profiles, found, scores, strict=True)]

    def _candidates(self, profile: Profile, recent: Ints, popular: Ints) -> Candidates:
        found = candidates(recent, self._covisits, popular, CANDIDATES)
        if categories := recalled(profile.rules, self._vocabulary.category_index_of):
            members = popular[np.isin(self._vocabulary.item_category[popular], categories)]
            return with_category(found, members, recent, CANDIDATES)
        return found

    def _known(self, ids: Sequence[str]) -> list[int]:
        index_of = self._vocabulary.index_of
        return [index_of[item] for item in ids if item in index_of]

    def _candidate_features(self, profiles: Sequence[Profile], batch: Ints, popularity: Popularity) -> Floats:
        kinds = self._vocabulary.item_category[batch]
        as_of = np.array([profile.version.as_of for profile in profiles], np.int64)
        users = [(profile.update.subject, profile.categories) for profile in profiles]
        affinities = self._affinities.of(users, as_of, kinds)
        counts = popularity.of(batch, as_of)
        return candidate_features(affinities[..., 0], affinities[..., 1], counts[..., 0], counts[..., 1])

    def _list(self, profile: Profile, found: Candidates, scores: Floats) -> TopList:
        places: list[ListedItem] = []
        scores = scores[: len(found.indices)]
        if boosts := log_boosts(profile.rules, self._vocabulary.category_index_of):
            scores = boosted(scores, self._vocabulary.item_category[found.indices], boosts)
        # Python numbers once, in lists: a numpy number for each place costs several times more.
        indices, sources, values = found.indices.tolist(), found.sources.tolist(), scores.tolist()
        for at in np.argsort(-scores, kind="stable").tolist():
            item = self._vocabulary.item(indices[at])
            if item in profile.excluded:
                continue
            source = SOURCES[sources[at]]
            places.append(ListedItem(item, round(values[at], 5), source, self._reason(indices[at], source, boosts)))
            if len(places) == self._config.length:
                break
        asked, update = intervention(profile.rules), profile.update
        return self._stamped(update.subject, tuple(places), profile.version, update.event_id, asked)

    def _reason(self, index: int, source: str, boosts: Mapping[int, float]) -> str:
        if boosts and boosts.get(int(self._vocabulary.item_category[index]), 0.0) > 0:
            return f"you look at {self._vocabulary.category(index)} a lot"
        return REASONS[source]

    def _stamped(
        self,
        subject: str,
        items: tuple[ListedItem, ...],
        version: Version,
        event_id: str,
        asked: Intervention | None = None,
    ) -> TopList:
        return TopList(
            placement=self._config.placement,
            subject=subject,
            items=items,
            model_version=self._scorer.version,
            tier=self._scorer.tier if subject else "hot",
            version=version,
            computed_at=self._now_ms(),
            event_id=event_id,
            intervention=asked,
        )

    def _store_hot(self) -> None:
        popularity = self._popularity()
        if popularity.generation == self._hot_generation:
            return
        best = popularity.order[: self._config.length]
        items = tuple(
            ListedItem(self._vocabulary.item(int(index)), round(float(count), 5), "popular", REASONS["popular"])
            for index, count in zip(best, popularity.counts[best, 1], strict=True)
        )
        hot = self._stamped("", items, Version(popularity.latest, popularity.generation), "")
        self._writer.write([(Hot(self._config.placement).encode(), hot)], ttl_seconds=0)
        self._hot_generation = popularity.generation


def _profile(update: Update, reading: Reading, rules: Active) -> Profile:
    *numbers, recent, bought, categories = reading.values
    recent_ids = tuple(_texts(recent)[:RECENT])
    return Profile(
        update=update,
        version=_version(reading, update),
        user=user_row(dict(zip(USER_FEATURES, numbers, strict=True))),  # type: ignore[arg-type]
        recent_ids=recent_ids,
        excluded=frozenset(recent_ids).union(_texts(bought)),
        categories=frozenset(_texts(categories)),
        rules=rules,
    )


def _texts(value: Feature) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _version(reading: Reading, update: Update) -> Version:
    """Return the version of what was read, which may be newer than what was announced."""
    if reading.version is None:
        return Version(update.as_of, update.sequence)
    as_of, _, sequence = reading.version.rpartition("-")
    return Version(int(as_of), int(sequence))


def load_recommender(config: RecommenderConfig) -> Recommender:
    """Load the model and connect to the store.

    Raises:
        FreshetError: the artefact is missing, or is not what its manifest says.
        redis.RedisError: the store does not answer.
    """
    artefact = Artefact.load(config.model_path)
    scorer = OnnxScorer.load(artefact.folder, config.providers)
    pipe = RedisPipe(config.redis_url)
    items = FeatureReader(
        RedisPipe(config.redis_url), config.project, "item_popularity", ("item_id",), POPULARITY_FEATURES
    )
    feed = PopularityFeed(items.read, artefact.vocabulary.items, POPULARITY_SWEEP_S)
    feed.start()
    log.info("Model %s scores on %s.", scorer.version, scorer.provider)
    return Recommender(
        artefact=artefact,
        scorer=scorer,
        users=FeatureReader(pipe, config.project, USER_VIEW, ("subject",), (*USER_FEATURES, *LISTS)),
        rules=ActiveRules(pipe),
        affinities=Affinities(
            FeatureReader(pipe, config.project, affinity.VIEW, affinity.KEYS, affinity.FEATURES),
            artefact.vocabulary.categories,
        ),
        popularity=lambda: feed.current,
        writer=ListWriter(pipe),
        config=config,
    )
