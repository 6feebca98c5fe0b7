"""The Kafka topics that Freshet reads and writes, and how each is kept."""

from dataclasses import dataclass

DAY_MS = 86_400_000

INTERACTIONS = "interactions"
INTERACTIONS_CLEAN = "interactions.clean"
INTERACTIONS_REJECTED = "interactions.rejected"
CATALOG = "catalog"
FEATURE_UPDATES = "feature-updates"
RECOMMENDATIONS = "recommendations"


@dataclass(frozen=True)
class Topic:
    """A topic's layout; `retention_ms` of -1 keeps records for ever, `compacted` keeps the newest of each key."""

    name: str
    partitions: int
    retention_ms: int
    compacted: bool = False

    @property
    def subject(self) -> str:
        """The registry subject of the record value (the topic name strategy)."""
        return f"{self.name}-value"

    @property
    def schema_file(self) -> str:
        """The file of `schemas/` that holds the record's schema."""
        return f"{self.name}.avsc"

    def config(self) -> dict[str, str]:
        """Return Kafka's topic settings."""
        policy = "compact" if self.compacted else "delete"
        return {"cleanup.policy": policy, "retention.ms": str(self.retention_ms)}


# Four partitions let a job grow to four subtasks without a re-keying; raw and clean events are what everything else
# is rebuilt from, announcements are worthless after a day, and what was refused waits a month to be mended.
TOPICS = (
    Topic(INTERACTIONS, partitions=4, retention_ms=30 * DAY_MS),
    Topic(INTERACTIONS_CLEAN, partitions=4, retention_ms=30 * DAY_MS),
    Topic(INTERACTIONS_REJECTED, partitions=1, retention_ms=30 * DAY_MS),
    Topic(CATALOG, partitions=1, retention_ms=-1, compacted=True),
    Topic(FEATURE_UPDATES, partitions=4, retention_ms=1 * DAY_MS),
    Topic(RECOMMENDATIONS, partitions=4, retention_ms=7 * DAY_MS),
)


BY_NAME = {topic.name: topic for topic in TOPICS}
