"""The schema registry: does it hold this version's schemas?"""

from collections.abc import Iterator, Sequence

from freshet.commands.schemas import Finding as Schema
from freshet.commands.schemas import compare_all, installed_schemas
from freshet.doctor.finding import Finding, ok, problem
from freshet.schemas.registry import Registry
from freshet.settings import Settings


def judge_schemas(schemas: Sequence[Schema], url: str) -> Iterator[Finding]:
    """Tell of the schemas that are not registered as this version writes them."""
    for one in schemas:
        if one.status == "incompatible":
            yield problem("schemas", f"{one.subject} could not follow what is registered: {', '.join(one.reasons)}.")
        elif one.status != "unchanged":
            yield problem("schemas", f"{one.subject} is not registered in this version: `freshet schemas register`.")
    if all(one.status == "unchanged" for one in schemas):
        yield ok("schemas", f"The registry at {url} holds all {len(schemas)} of this version.")


def look_at_schemas(settings: Settings) -> list[Schema]:
    """Compare the installed schemas with the registry's.

    Raises:
        FreshetError: the registry does not answer.
    """
    return compare_all(Registry(settings.registry.url), installed_schemas())
