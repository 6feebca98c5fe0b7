"""From announced users to stored lists: profiles, candidates, one scoring call for the batch, re-ranking, the write.

announcements -> newest of each user -> profiles -> (each placement) candidates -> scores -> places -> topn:* and hot:*
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from freshet.models.breaker import State
from freshet.models.features import user_row
from freshet.models.listing import Lister, Shop
from freshet.models.panel import Panel, Timing
from freshet.models.placements import Placement
from freshet.models.profiles import Profile, ProfileReader, Update
from freshet.models.ranking import Ranker
from freshet.models.rule_effects import intervention
from freshet.models.sources.source import Source
from freshet.models.user_state import Users, UserState
from freshet.schemas.keys import Hot, TopN
from freshet.udfs.active_rules import ActiveRules
from freshet.udfs.top_n import Because, Intervention, ListedItem, ListWriter, Places, TopList
from freshet.udfs.versions import Version

log = logging.getLogger(__name__)

USERS_AT_ONCE = 128
"""Lists that are made together: with more the first ones would wait for the last."""

POPULAR = "popular"
POPULAR_REASON = "popular right now"


@dataclass(frozen=True, eq=False)
class Place:
    """One placement at work.

    Attributes:
        name: of the placement.
        placement: its settings.
        panel: finds candidates.
        lister: makes lists of them.
    """

    name: str
    placement: Placement
    panel: Panel
    lister: Lister

    @classmethod
    def of(cls, name: str, placement: Placement, sources: Mapping[str, Source], size: int) -> "Place":
        """Set a placement up for items of indices below `size`.

        Raises:
            KeyError: it gives a share to a source that there is not.
        """
        panel = Panel(sources, placement.shares, placement.candidates, size)
        return cls(name, placement, panel, Lister(panel.names, placement.reranking, placement.length))


@dataclass
class Tally:
    """What was made so far: lists, and how many were withheld since the filters left nothing to show."""

    lists: int = 0
    withheld: int = 0


class ListMaker:
    """Makes and stores the lists of a batch of updated users. For one thread."""

    def __init__(
        self,
        places: Sequence[Place],
        profiles: ProfileReader,
        rules: ActiveRules,
        ranker: Ranker,
        shop: Callable[[], Shop],
        writer: ListWriter,
        config_version: str = "",
        ages_s: Mapping[str, Callable[[], float]] = {},
        close: Callable[[], None] = lambda: None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Take what lists are made of; `shop` gives what stands now, `ages_s` how old that is, and `close` ends the feeds."""
        self._places = places
        self._profiles = profiles
        self._rules = rules
        self._ranker = ranker
        self._shop = shop
        self._writer = writer
        self._config_version = config_version
        self._now_ms = now_ms
        self._ages_s = ages_s
        self.close = close
        self._hot_generation = 0
        self.tally = Tally()

    @property
    def tier(self) -> str:
        """The tier of the latest batch."""
        return self._ranker.scorer.tier

    @property
    def provider(self) -> str:
        """Where the model runs."""
        return self._ranker.scorer.provider

    @property
    def gauges(self) -> Mapping[str, Callable[[], float]]:
        """What is to be watched, by the name of a metric: ages and times in milliseconds, counts since the start."""
        ages = {f"{name}_age_ms": lambda age_s=age_s: 1000 * age_s() for name, age_s in self._ages_s.items()}
        sources = {
            f"source_{name.replace('.', '_').replace('-', '_')}_{what}": lambda one=one, what=what: getattr(one, what)
            for name, one in self.timings.items()
            for what in ("mean_us", "failures")
        }
        tally = {
            "lists_withheld": lambda: self.tally.withheld,
            "model_breaker_opened": lambda: self._ranker.scorer.breaker.opened,
            "model_breaker_open": lambda: self._ranker.scorer.breaker.state is not State.CLOSED,
            "model_failures": lambda: self._ranker.scorer.tally.failures,
            "batches_by_light_model": lambda: self._ranker.scorer.tally.light,
            "batches_without_model": lambda: self._ranker.scorer.tally.none,
        }
        return {**ages, **sources, **tally}

    @property
    def timings(self) -> dict[str, Timing]:
        """What each source has cost, by `<placement>.<source>`."""
        return {f"{place.name}.{name}": one for place in self._places for name, one in place.panel.timings.items()}

    def warm_up(self) -> None:
        """Make a list of a made-up user and throw it away, so that what is set up on its first use is ready; store hot lists.

        So a reader finds a list before anybody has done anything.

        Raises:
            redis.RedisError: the store did not answer.
        """
        now_ms, shop = self._now_ms(), self._shop()
        items = np.arange(1, 4, dtype=np.int64)
        state = UserState(now_ms, items, now_ms - items, items, now_ms - items, items, categories=items)
        update = Update("", now_ms, 0, "")
        nobody = Profile(update, Version(now_ms, 0), state, user_row({}), frozenset(), ())
        for place in self._places:
            self._listed(place, [nobody, nobody], shop)
        self._store_hot(shop)

    def recommend(self, updates: Sequence[Update]) -> list[TopList]:
        """Make one list for each subject and placement, store them, and return them.

        A list that would be empty is not stored: the last good one stands, or the reader finds the hot list.

        Raises:
            redis.RedisError: the store did not answer; the same batch can be given again.
        """
        newest = {update.subject: update for update in sorted(updates, key=lambda one: (one.as_of, one.sequence))}
        if not newest:
            return []
        self._rules.write([(update.subject, update.trigger) for update in updates if update.trigger])
        wanted, made = list(newest.values()), list[TopList]()
        for first in range(0, len(wanted), USERS_AT_ONCE):
            profiles = self._profiles.read(wanted[first : first + USERS_AT_ONCE], self._now_ms())
            shop = self._shop()  # after the profiles, so that it knows every item that they name
            made += [one for place in self._places for one in self._made(place, profiles, shop)]
        self._store_hot(self._shop())
        return made

    def _made(self, place: Place, profiles: Sequence[Profile], shop: Shop) -> list[TopList]:
        tier, made = self._listed(place, profiles, shop)
        pairs = zip(profiles, made, strict=True)
        lists = [self._of_user(place, profile, places, tier) for profile, places in pairs if places]
        self.tally.lists += len(lists)
        self.tally.withheld += len(profiles) - len(lists)
        self._writer.write(
            [(TopN(one.placement, one.subject).encode(), one) for one in lists], place.placement.ttl_seconds
        )
        return lists

    def _listed(self, place: Place, profiles: Sequence[Profile], shop: Shop) -> tuple[str, list[Places]]:
        """Return the tier, and the places of each user's list."""
        place.panel.make_room(len(shop.assortment) + 1)
        users = Users([profile.state for profile in profiles])
        ranked = self._ranker.rank(profiles, users.latest, place.panel.pools(users))
        return ranked.tier, place.lister.lists(profiles, ranked, shop, self._now_ms())

    def _of_user(self, place: Place, profile: Profile, places: Places, tier: str) -> TopList:
        update, asked = profile.update, intervention(profile.rules)
        return self._stamped(place, places, tier, profile.version, update.subject, update.event_id, asked)

    def _stamped(
        self,
        place: Place,
        places: Places,
        tier: str,
        version: Version,
        subject: str = "",
        event_id: str = "",
        asked: Intervention | None = None,
    ) -> TopList:
        return TopList(
            placement=place.name,
            subject=subject,
            places=places,
            model_version=self._ranker.scorer.version,
            tier=tier,
            version=version,
            computed_at=self._now_ms(),
            event_id=event_id,
            config_version=self._config_version,
            intervention=asked,
        )

    def _store_hot(self, shop: Shop) -> None:
        """Store the hot lists anew when popularity was read anew; of the same counts the list that was made last stands."""
        if shop.popularity.generation == self._hot_generation:
            return
        version = Version(shop.popularity.latest, self._now_ms())
        for place in self._places:
            if items := hot_items(shop, place.placement.length, self._now_ms()):
                hot = self._stamped(place, Places.of(items), "hot", version)
                self._writer.write([(Hot(place.name).encode(), hot)], ttl_seconds=0)
        self._hot_generation = shop.popularity.generation


def hot_items(shop: Shop, length: int, now_ms: int) -> tuple[ListedItem, ...]:
    """Return the places of a hot list: what happens most now and is in stock."""
    popularity, assortment = shop.popularity, shop.assortment
    order = popularity.order[popularity.order <= len(assortment)]
    best = order[assortment.in_stock[order]][:length].tolist()
    return tuple(
        ListedItem(
            item_id=assortment.item(item),
            score=round(float(popularity.counts[item, 1]), 5),
            source=POPULAR,
            reason=POPULAR_REASON,
            evidence=Because("trend", (), POPULAR_REASON, round(float(popularity.counts[item, 1]), 4)),
            price=assortment.price_of(item),
            promotion=assortment.promotion_of(item, now_ms),
        )
        for item in best
    )
