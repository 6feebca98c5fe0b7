"""Fetches writers' schemas from the registry and remembers those that do not exist, for a while."""

import time
from collections import OrderedDict
from collections.abc import Callable

from freshet.schemas.registry import SchemaNotFound

FORGET_AFTER_S = 30.0
MOST_REMEMBERED = 10_000


class WriterSchemas:
    """Gives the text of a schema by id.

    A producer with a wrong id would ask the registry once for each event; an id that was not found is not asked for
    again for half a minute. Schemas that exist are kept by the decoder, so the registry may then be down.
    """

    def __init__(self, fetch: Callable[[int], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._missing: OrderedDict[int, float] = OrderedDict()

    def __call__(self, schema_id: int) -> str:
        """Return the schema's text.

        Raises:
            SchemaNotFound: the registry has no such id, or had none half a minute ago.
            RegistryUnreachable: no answer; the id may be good.
        """
        missed_at = self._missing.get(schema_id)
        if missed_at is not None and self._clock() - missed_at < FORGET_AFTER_S:
            raise SchemaNotFound(f"the registry has no schema {schema_id}")
        try:
            return self._fetch(schema_id)
        except SchemaNotFound:
            self._remember(schema_id)
            raise

    def _remember(self, schema_id: int) -> None:
        self._missing.pop(schema_id, None)
        self._missing[schema_id] = self._clock()
        if len(self._missing) > MOST_REMEMBERED:
            self._missing.popitem(last=False)
