"""Puts together what a scoring worker makes lists with: the model, the sources, and what they read in the background."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from freshet.errors import FreshetError
from freshet.models import affinity, profiles
from freshet.models.affinity import Affinities
from freshet.models.artefact import Artefact
from freshet.models.features import Floats
from freshet.models.list_maker import ListMaker, Place
from freshet.models.listing import Shop
from freshet.models.live_assortment import LOAD_S, LiveAssortment, follow_assortment
from freshet.models.manifest import FULL_PRECISION, GRAPHS
from freshet.models.placements import Placements, load_placements
from freshet.models.popularity import FEATURES as POPULARITY_FEATURES
from freshet.models.popularity import PopularityFeed
from freshet.models.profiles import Index, ProfileReader
from freshet.models.ranking import Ranker, Stand
from freshet.models.sources.again import Again
from freshet.models.sources.als import Als
from freshet.models.sources.content import Content, KeptAlike
from freshet.models.sources.covisits import CoVisits
from freshet.models.sources.fed_rows import FedBaskets, FedRows
from freshet.models.sources.fed_sessions import SessionFeed
from freshet.models.sources.followers import Followers
from freshet.models.sources.rows import Reading
from freshet.models.sources.sessions import LearntSessions, SessionNeighbours
from freshet.models.sources.shop import IN_CATEGORY, RECALLED, New, Popular, PopularInCategories, Trending
from freshet.models.sources.source import Source
from freshet.models.sources.together import Together
from freshet.models.standing import Standing, StandingFeed
from freshet.models.tiers import load_best
from freshet.models.user_state import NOTHING, Ints
from freshet.models.vectors import item_vectors
from freshet.udfs.active_rules import ActiveRules
from freshet.udfs.read_features import FeatureReader
from freshet.udfs.redis_pipe import RedisPipe
from freshet.udfs.trend_reader import RowMatrix, RowsFeed, TrendFeed
from freshet.udfs.trend_spec import rows_of
from freshet.udfs.trends import TRENDS

log = logging.getLogger(__name__)

POPULARITY_SWEEP_S = 5.0
TREND_LOOK_S = 0.5
TREND_WIDTH = 100
SESSION_LOOK_S = 5.0
SESSIONS = 20_000
NOT_LOOKED_UP = -1
ROOM = 4_096
"""Items that may come into the catalogue before the worker is started anew, and have rows of trends."""

HALF_LIVES_MS = {
    rows.name: [span / timedelta(milliseconds=1) for span in rows.half_lives]
    for trend in TRENDS
    for rows in rows_of(trend)
}

STATIC = Reading(last=20, fade=0.0, own=0.0)
"""How the co-visit table that was learnt with the model is read: all of the latest items count alike."""


@dataclass(frozen=True)
class ServingConfig:
    """What a worker needs to make lists.

    Attributes:
        redis_url, bootstrap_servers, registry_url: where things are.
        project: the Feast project.
        model_path: folder of the artefact; None for the one that ships.
        providers: of ONNX Runtime.
        precision: of the graph.
        placements: names of the placements to make lists for.
        placements_path: the file that says how; None for the one that ships.
        length, ttl_seconds: of all their lists; None: as the file says.
        load_s: how long to wait for the catalogue before the first list.
    """

    redis_url: str
    bootstrap_servers: str
    registry_url: str
    project: str
    model_path: Path | None
    providers: tuple[str, ...]
    placements: tuple[str, ...]
    precision: str = FULL_PRECISION
    placements_path: Path | None = None
    length: int | None = None
    ttl_seconds: int | None = None
    load_s: float = LOAD_S

    def load_placements(self) -> Placements:
        """Read the placements, with those of the numbers that are not None in the place of the file's.

        Raises:
            FreshetError: the file is not what it should be, or lacks one of the placements.
        """
        given = {"length": self.length, "ttl_seconds": self.ttl_seconds}
        changes = {name: value for name, value in given.items() if value is not None}
        return load_placements(self.placements_path).only(self.placements, changes)


def load_list_maker(config: ServingConfig) -> ListMaker:
    """Load the model, connect to the store and the catalogue, and begin to follow them.

    Raises:
        FreshetError: the artefact or the configuration is missing, or is not what it should be.
        redis.RedisError: the store does not answer.
    """
    placements = config.load_placements()
    artefact = Artefact.load(config.model_path, unchecked=GRAPHS)  # without them the light tier goes on
    scorer = load_best(artefact.folder, config.providers, config.precision)
    vectors, running = unit_vectors(artefact), ExitStack()
    live = _live(config, placements, artefact, vectors)
    running.callback(live.close)
    popularity = _popularity(config, live, len(artefact.vocabulary), running)
    sources, trends = _sources(config, artefact, live, popularity, running)
    pipe = _pipe(config, running)
    rules = ActiveRules(pipe)
    proxies = Proxies(live, len(artefact.vocabulary))
    log.info("Model %s scores on %s.", scorer.version, scorer.provider)
    maker = ListMaker(
        places=[Place.of(name, one, sources, ROOM) for name, one in placements.by_name.items()],
        profiles=ProfileReader(
            FeatureReader(pipe, config.project, profiles.VIEW, profiles.KEYS, profiles.FEATURES),
            rules,
            lambda: Index(live.current.index_of, live.current.names["category"].code_of),
        ),
        rules=rules,
        ranker=Ranker(
            scorer,
            Affinities(
                FeatureReader(pipe, config.project, affinity.VIEW, affinity.KEYS, affinity.FEATURES),
                artefact.vocabulary.categories,
            ),
            lambda: Stand(proxies.of, artefact.vocabulary.item_category, popularity.current),
        ),
        shop=lambda: Shop(live.current, popularity.current, vectors, proxies.of),
        writer=live.writer,
        config_version=placements.version,
        ages_s={"catalog": lambda: live.feed.age_s, "popularity": lambda: popularity.age_s} | _ages_of(trends),
        close=running.close,
    )
    maker.warm_up()
    return maker


def _ages_of(trends: Mapping[str, TrendFeed]) -> dict[str, Callable[[], float]]:
    def age_of(feed: TrendFeed) -> Callable[[], float]:
        return lambda: feed.age_s

    return {f"trend_{name}": age_of(feed) for name, feed in trends.items()}


def unit_vectors(artefact: Artefact) -> Floats:
    """Return the model's vectors of its items at length 1, float32 [V + 1, d]; row 0 is zero.

    So is that of an item whose vector is no number, and all are where the graph cannot be read: nothing is like them then,
    and lists are made without diversity.
    """
    try:
        rows = np.stack([vector for _, vector in item_vectors(artefact)])
    except FreshetError as error:
        log.error("The vectors of items cannot be read (%s): lists are made without diversity.", error)  # noqa: TRY400
        return np.zeros((len(artefact.vocabulary) + 1, 1), np.float32)
    rows = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, 0.0)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(lengths > 0, lengths, 1.0)
    return np.asarray(np.concatenate((np.zeros((1, rows.shape[1])), unit)), np.float32)


class Proxies:
    """Which of the model's items stands for each item: itself, or the one that it is most like. For one thread."""

    def __init__(self, live: LiveAssortment, known: int) -> None:
        """Take what describes items, and how many the model knows."""
        self._live, self._known = live, known
        self._likeness = live.likeness
        self._table = NOTHING

    def of(self, items: Ints) -> Ints:
        """Return the stand-ins of items, int64 of the same shape; 0 for one that is like none."""
        highest = int(items.max(initial=0))
        if highest <= self._known:
            return items
        likeness = self._live.likeness
        if likeness is not self._likeness or highest >= len(self._table):
            self._table = np.full(2 * highest, NOT_LOOKED_UP, np.int64)
            self._table[: self._known + 1] = np.arange(self._known + 1)
            self._likeness = likeness
        found = self._table[items]
        if (missing := found == NOT_LOOKED_UP).any():
            for item in np.unique(items[missing]).tolist():
                self._table[item] = likeness.proxy(item, self._known)
            found = self._table[items]
        return np.asarray(found)


def _live(config: ServingConfig, placements: Placements, artefact: Artefact, vectors: Floats) -> LiveAssortment:
    longest = max(one.ttl_seconds for one in placements.by_name.values())
    return follow_assortment(
        config.bootstrap_servers,
        config.registry_url,
        config.redis_url,
        artefact.vocabulary,
        config.placements,
        longest,
        vectors=vectors,
        load_s=config.load_s,
    )


def _pipe(config: ServingConfig, running: ExitStack) -> RedisPipe:
    pipe = RedisPipe(config.redis_url)
    running.callback(pipe.close)
    return pipe


def _popularity(config: ServingConfig, live: LiveAssortment, known: int, running: ExitStack) -> PopularityFeed:
    pipe = _pipe(config, running)
    items = FeatureReader(pipe, config.project, "item_popularity", ("item_id",), POPULARITY_FEATURES)
    feed = PopularityFeed(items.read, lambda: live.current.ids, known, POPULARITY_SWEEP_S)
    feed.start()
    running.callback(feed.stop)
    return feed


def _sources(
    config: ServingConfig, artefact: Artefact, live: LiveAssortment, popularity: PopularityFeed, running: ExitStack
) -> tuple[Mapping[str, Source], Mapping[str, TrendFeed]]:
    """Return the sources by name, and what keeps the rows of each trend current."""
    feed = StandingFeed(lambda: Standing(popularity.current, live.current))
    feed.start()
    running.callback(feed.stop)

    def now() -> Standing:
        return feed.current

    learnt, feeds = _trends(config, live, running)
    sources: Sequence[Source] = (
        PopularInCategories(RECALLED, now, lambda user: user.recalled, "popular in a category that you look at a lot"),
        PopularInCategories(IN_CATEGORY, now, lambda user: user.categories, "popular in a category that you look at"),
        CoVisits(artefact.covisits, STATIC),
        Trending(now),
        New(now),
        Popular(now),
        Again(),
        Als(artefact.factors()),
        Content(KeptAlike(lambda: live.likeness)),
        *learnt,
    )
    return {source.name: source for source in sources}, feeds


def _trends(
    config: ServingConfig, live: LiveAssortment, running: ExitStack
) -> tuple[Sequence[Source], Mapping[str, TrendFeed]]:
    """Return the sources that read what the trends job keeps, which find nothing where it does not run, and the feeds."""
    feeds = dict[str, TrendFeed]()

    def rows(name: str, keys: Callable[[], Mapping[str, int]], size: int) -> FedRows:
        matrix = RowMatrix(size, TREND_WIDTH, HALF_LIVES_MS[name])
        feed = RowsFeed(_pipe(config, running), name, keys(), live.current.index_of, matrix)
        feed.start(TREND_LOOK_S)
        running.callback(feed.stop)
        feeds[name] = feed
        return FedRows(matrix, lambda: time.time_ns() // 1_000_000)

    items = len(live.current) + ROOM
    by_item = {name: rows(name, lambda: live.current.index_of, items) for name in ("followers", "covisits", "together")}
    baskets = FedBaskets(by_item["together"], rows("baskets", lambda: {"all": 1}, 1))
    sessions = LearntSessions(SESSIONS)
    feeds["sessions"] = SessionFeed(_pipe(config, running), "sessions", live.current.index_of, sessions)
    feeds["sessions"].start(SESSION_LOOK_S)
    running.callback(feeds["sessions"].stop)
    sources = (
        Followers(by_item["followers"]),
        CoVisits(by_item["covisits"], name="visited-around"),
        Together(baskets, items),
        SessionNeighbours(sessions),
    )
    return sources, feeds
