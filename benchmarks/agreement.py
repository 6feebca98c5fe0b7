"""Whether two jobs have written the same features: entities that both have at the same version are compared.

The version holds the instant of the values, so an entity that one job has evaluated again, because a window of it was over,
is not compared.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from harness import Bench

from freshet.udfs.read_features import value_of

Store = dict[bytes, dict[bytes, bytes]]
TOLERANCE = 1e-9  # sums are added up in another order
OURS = (b"_v:", b"_ts:")  # versions and times: compared byte for byte


@dataclass(frozen=True)
class Agreement:
    """How many entities could be compared, and those of them that differ."""

    compared: int
    different: tuple[bytes, ...]


def read_store(bench: Bench, entities: int) -> Store:
    """Return the hashes of so many entities, whichever come first."""
    client = bench.redis()
    keys = list(islice(client.scan_iter(count=1_000), entities))
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hgetall(key)
        return dict(zip(keys, pipe.execute(), strict=True))


def read_same(bench: Bench, store: Store) -> Store:
    """Return the hashes that stand now at the keys of a store."""
    with bench.redis().pipeline(transaction=False) as pipe:
        for key in store:
            pipe.hgetall(key)
        return dict(zip(store, pipe.execute(), strict=True))


def compare(one: Store, other: Store) -> Agreement:
    """Compare the entities that hold the same events in both."""
    same = [key for key in one if versions(one[key]) == versions(other.get(key, {})) != {}]
    return Agreement(len(same), tuple(key for key in same if not is_equal(one[key], other[key])))


def versions(entity: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the version of each view that an entity has.

    >>> versions({b"_v:user": b"17-3", b"_ts:user": b"", b"abcd": b""})
    {b'_v:user': b'17-3'}
    """
    return {name: value for name, value in entity.items() if name.startswith(b"_v:")}


def is_equal(one: Mapping[bytes, bytes], other: Mapping[bytes, bytes]) -> bool:
    """Tell whether two hashes hold the same features, numbers up to rounding."""
    return one.keys() == other.keys() and all(
        one[name] == other[name] or (not name.startswith(OURS) and _is_close(one[name], other[name])) for name in one
    )


def _is_close(one: bytes, other: bytes) -> bool:
    left, right = value_of(one), value_of(other)
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return left == right
