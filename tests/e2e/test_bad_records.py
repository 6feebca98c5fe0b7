"""One record in a hundred is bad, in every known way: none stops the job, none is lost, the good ones do not notice."""

import random
import time
from collections import Counter
from itertools import cycle, islice

import pytest

from bad_records import BadRecord, bad_records
from e2e.kafka_log import records
from e2e.running import restarts, until
from e2e.shoppers import an_event
from freshet.replay.produce import EventProducer
from freshet.schemas.avro import Decoder, schema_text
from freshet.schemas.registry import Registry
from freshet.schemas.topics import BY_NAME, CATALOG, INTERACTIONS, INTERACTIONS_CLEAN, INTERACTIONS_REJECTED
from freshet.settings import Settings
from freshet.submit import Cluster

pytestmark = pytest.mark.e2e

RECORDS, BAD = 50_000, 500


def all_kinds(settings: Settings) -> list[BadRecord]:
    """Return one bad record of each kind, for the registry's ids."""
    registry = Registry(settings.registry.url)
    interactions, catalog = (
        registry.id_of(BY_NAME[name].subject, schema_text(name)) for name in (INTERACTIONS, CATALOG)
    )
    return list(bad_records(interactions, catalog, now_ms=int(time.time() * 1000)))


def test_bad_records_are_set_aside_with_their_reason_and_the_rest_goes_through(
    settings: Settings, cluster: Cluster
) -> None:
    """500 bad among 50,000: every bad one is in `interactions.rejected` as it was, every good one is clean, no restart."""
    kinds = all_kinds(settings)
    assert len({kind.name for kind in kinds}) >= 12
    before = restarts(cluster, "ingest")
    chance, start_ms = random.Random(11), int(time.time() * 1000) - 60_000
    bad = list(islice(cycle(kinds), BAD))
    sent_bad: Counter[tuple[str, bytes | None, bytes | None]] = Counter()
    good_ids = set()
    with EventProducer(settings) as producer:
        producer.ready(INTERACTIONS)
        for number in range(0, RECORDS - BAD, 99):
            goods = [
                an_event(chance, n, 5_000, ["item-1", "item-2"], start_ms) | {"event_id": f"good-{n}"}
                for n in range(number, min(number + 99, RECORDS - BAD))
            ]
            producer.produce(goods, INTERACTIONS)
            good_ids |= {one["event_id"] for one in goods}
            if bad:
                one = bad.pop()
                producer.produce_bytes(INTERACTIONS, one.key, one.payload)
                sent_bad[one.reason, one.key, one.payload] += 1
    assert sum(sent_bad.values()) == BAD
    registry = Registry(settings.registry.url)
    rejected, clean = Decoder(INTERACTIONS_REJECTED, registry.schema), Decoder(INTERACTIONS_CLEAN, registry.schema)

    def refused() -> Counter[tuple[str, bytes | None, bytes | None]]:
        found = (rejected(record.value) for record in records(settings, INTERACTIONS_REJECTED))
        return Counter((one["reason"], one["key"], one["payload"]) for one in found)

    until(lambda: sum(refused().values()) >= BAD, "all refusals", poll_s=1.0)
    assert refused() == sent_bad

    def accepted() -> list[str]:
        found = (clean(record.value)["event_id"] for record in records(settings, INTERACTIONS_CLEAN))
        return [event_id for event_id in found if event_id.startswith("good-")]

    until(lambda: len(accepted()) >= len(good_ids), "all good events", poll_s=1.0)
    assert Counter(accepted()) == Counter(good_ids)
    assert restarts(cluster, "ingest") == before


def test_a_refusal_tells_where_the_original_lies(settings: Settings, cluster: Cluster) -> None:
    """Topic, partition and offset of a refusal lead to the very bytes that it holds."""
    decode = Decoder(INTERACTIONS_REJECTED, Registry(settings.registry.url).schema)
    raw = {(record.partition, record.offset): record.value for record in records(settings, INTERACTIONS)}
    refusals = [decode(record.value) for record in records(settings, INTERACTIONS_REJECTED)]
    assert refusals
    assert all(one["topic"] == INTERACTIONS for one in refusals)
    assert all(raw[one["partition"], one["offset"]] == one["payload"] for one in refusals)
