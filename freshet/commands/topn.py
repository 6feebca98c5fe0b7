"""`freshet topn`: print a user's list."""

from datetime import datetime, timezone
from typing import Annotated

import typer
from rich.table import Table

from freshet.console import JsonFlag, out, print_json
from freshet.errors import FreshetError
from freshet.settings import load_settings


def topn(
    user: Annotated[str, typer.Argument(help="The user's id, as the shop knows it.")], as_json: JsonFlag = False
) -> None:
    """Print the list of a user as a serving layer would read it: the user's own, else the hot list."""
    from freshet.lists import ListReader

    answer = ListReader(load_settings()).best(user)
    if answer is None:
        raise FreshetError("There is no list yet, not even a hot one: are the jobs running and events coming in?")
    if as_json:
        print_json({"key": answer.key, **answer.value})
        return
    table = Table("", "item", "score", "source", "reason", title=answer.key, box=None)
    for place, item in enumerate(answer.items, start=1):
        table.add_row(str(place), item["item_id"], f"{item['score']:.3f}", item["source"], item["reason"])
    out.print(table)
    value = answer.value
    if asked := value.get("intervention"):
        out.print(f"intervention {asked['name']}, by the rule {asked['rule']}")
    as_of = datetime.fromtimestamp(value["as_of"] / 1000, timezone.utc).isoformat(timespec="milliseconds")
    out.print(f"model {value['model_version']}, tier {value['tier']}, version {value['version']}, as of {as_of}")
