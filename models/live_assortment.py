"""What a scoring worker needs so that its lists hold only what is sold: the parts, put together and started."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from freshet.errors import FreshetError
from freshet.models.assortment import Assortment, Difference, Item, item_in
from freshet.models.assortment_feed import AssortmentFeed
from freshet.models.likeness import Likeness, LikenessFeed
from freshet.models.stock_watch import StockWatch
from freshet.models.vocabulary import Vocabulary
from freshet.udfs.catalogue_topic import TopicReader
from freshet.udfs.holders import Holders, IndexedListWriter
from freshet.udfs.redis_pipe import RedisPipe

LOAD_S = 60.0


@dataclass(frozen=True)
class LiveAssortment:
    """The assortment of one worker.

    Attributes:
        feed: follows the catalogue; `age_s` is how old the snapshot may be.
        likeness_feed: follows the feed.
        writer: writes lists so that the watch finds them. For the thread that makes lists.
        watch: takes what is not sold any more out of lists that stand.
    """

    feed: AssortmentFeed
    likeness_feed: LikenessFeed
    writer: IndexedListWriter
    watch: StockWatch

    @property
    def current(self) -> Assortment:
        """The newest snapshot."""
        return self.feed.current

    @property
    def likeness(self) -> Likeness:
        """The newest description of items."""
        return self.likeness_feed.current

    def close(self) -> None:
        """End the threads and close their connections."""
        self.feed.stop()
        self.likeness_feed.stop()
        self.watch.stop()
        self.writer.close()


def follow_assortment(
    bootstrap_servers: str,
    registry_url: str,
    redis_url: str,
    vocabulary: Vocabulary,
    placements: Sequence[str],
    ttl_seconds: int,
    *,
    vectors: NDArray[np.float32] | None = None,
    load_s: float = LOAD_S,
) -> LiveAssortment:
    """Read the catalogue, and follow it from then on in threads.

    Args:
        bootstrap_servers: of Kafka; empty: there is none, and everything counts as in stock.
        registry_url: of the schema registry.
        redis_url: of the store of lists.
        vocabulary: the model's items.
        placements: the places whose lists are watched.
        ttl_seconds: the longest life of a list in any of them.
        vectors: float32 [V + 1, d], the model's vectors of its items.
        load_s: how long to wait for the catalogue. If that is not enough everything counts as in stock until it was read.
    """
    pipe = RedisPipe(redis_url)
    writer = IndexedListWriter(RedisPipe(redis_url), ttl_seconds)

    def open_reader() -> TopicReader[Item]:
        if not bootstrap_servers:
            raise FreshetError("no broker is set")
        return TopicReader(bootstrap_servers, registry_url, item_in)

    def hear(assortment: Assortment, differences: Sequence[Difference]) -> None:
        watch.hear(assortment, differences)

    feed = AssortmentFeed(open_reader, vocabulary, hear)
    watch = StockWatch(
        pipe,
        Holders(pipe, ttl_seconds),
        writer,
        placements,
        lambda: feed.current,
        lambda: likeness.current,
        behind_s=lambda: feed.age_s,
    )
    feed.start(load_s)
    likeness = LikenessFeed(lambda: feed.current, vectors)
    likeness.start()
    watch.start()
    return LiveAssortment(feed, likeness, writer, watch)
