"""`freshet explain`: why each item of a user's list is there."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from freshet.console import JsonFlag, err, out, print_json
from freshet.errors import FreshetError
from freshet.settings import load_settings

SHOWN_ITEMS = 3

Item = Annotated[str | None, typer.Option("--item", help="Only this item of the list.")]
Titles = Annotated[bool, typer.Option(help="Name items as the catalogue does.")]


def explain(
    user: Annotated[str, typer.Argument(help="The user's id, as the shop knows it.")],
    item: Item = None,
    titles: Titles = True,
    as_json: JsonFlag = False,
) -> None:
    """Tell for each item of a user's list who proposed it, by what evidence, what moved its score, and which rules.

    All of it stands in the list itself, as it was when the list was made.
    """
    from freshet.lists import ListReader

    settings = load_settings()
    answer = ListReader(settings).best(user)
    if answer is None:
        raise FreshetError("There is no list yet, not even a hot one: are the jobs running and events coming in?")
    places = chosen(answer.items, item)
    if as_json:
        print_json({"key": answer.key, **answer.value, "items": [place for _, place in places]})
        return
    names = named(settings, places) if titles else {}
    if not answer.is_personal:
        out.print(f"User {user} has no list of his own yet; this is the hot list, {answer.key}.")
    for number, place in places:
        out.print("\n".join(sentences(number, place, names)), markup=False)
    out.print(footnote(answer.value), markup=False)


def chosen(items: Sequence[dict[str, Any]], item: str | None) -> list[tuple[int, dict[str, Any]]]:
    """Return (place from 1, item) of all items, or of one.

    Raises:
        FreshetError: the one is not on the list.
    """
    places = [(number, place) for number, place in enumerate(items, start=1) if item in (None, place["item_id"])]
    if not places:
        raise FreshetError(f"Item {item} is not on the list; leave out --item to see what is.")
    return places


def named(settings: Any, places: Sequence[tuple[int, dict[str, Any]]]) -> dict[str, str]:
    """Return what the catalogue calls the items and those behind them; nothing if it cannot be read."""
    from freshet.titles import titles_of

    ids = {place["item_id"] for _, place in places}
    ids.update(one for _, place in places for one in (place.get("evidence") or {}).get("items", ()))
    try:
        return titles_of(settings, ids)
    except FreshetError as error:
        err.print(f"Items are shown by their ids: {error}", markup=False)
        return {}


def sentences(number: int, place: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines that explain one place.

    >>> moved = {"item_id": "7", "score": 1.5, "source": "followers", "reason": "", "moves": ["boost tea: 4 -> 1"]}
    >>> because = {"kind": "items", "items": ["8"], "text": "often follows", "strength": 0.25}
    >>> print("\\n".join(sentences(1, moved | {"evidence": because}, {"7": "tea", "8": "milk"})))
     1. tea (7), score 1.500
        from followers: often follows milk (8) (0.25)
        moved by boost tea: 4 -> 1
    """
    yield f"{number:2}. {_name(place['item_id'], names)}, score {place['score']:.3f}"
    yield f"    from {place['source']}: {_evidence(place, names)}"
    if parts := place.get("contributions"):
        yield "    score: " + ", ".join(f"{part['feature']} {part['value']:+.2f}" for part in parts)
    yield from (f"    moved by {move}" for move in place.get("moves", ()))


def _evidence(place: Mapping[str, Any], names: Mapping[str, str]) -> str:
    told = place.get("evidence")
    if not told:
        return str(place["reason"])
    items = ", ".join(_name(one, names) for one in told["items"][:SHOWN_ITEMS])
    return " ".join(part for part in (told["text"], items, f"({told['strength']:.2g})") if part)


def _name(item: str, names: Mapping[str, str]) -> str:
    return f"{names[item].lower()} ({item})" if item in names else item


def footnote(value: Mapping[str, Any]) -> str:
    """Return the line that says by what the list was made."""
    config = f", configuration {value['config_version']}" if value.get("config_version") else ""
    made = f"model {value['model_version']}, tier {value['tier']}{config}"
    return f"{made}, version {value['version']}, for event {value['event_id'] or 'none'}"
