"""The tables of the contest, as Markdown."""

from collections.abc import Mapping, Sequence

from entrants import OURS, PEERS, SEEDS

from freshet.models.prequential import Lift

COLUMNS = {
    "HR@10": ("hr@10", ".4f"),
    "HR@20": ("hr@20", ".4f"),
    "NDCG@10": ("ndcg@10", ".4f"),
    "MRR@10": ("mrr@10", ".4f"),
    "cold HR@10": ("cold hr@10", ".3f"),
    "coverage": ("coverage", ".3f"),
    "novelty, bits": ("novelty", ".2f"),
    "diversity": ("diversity", ".3f"),
    "Gini": ("gini", ".3f"),
    "run, s": ("seconds", ".0f"),
}


def markdown(figures: Mapping[str, Mapping[str, float]], peer: str, above: Sequence[Lift], ranx: float) -> str:
    """Return the table of everybody, the best first, and the table of how far ahead of the best peer."""
    return "\n\n".join((standing(figures), ahead(peer, above), f"ranx's figures differ by at most {ranx:.0e}."))


def standing(figures: Mapping[str, Mapping[str, float]]) -> str:
    """Return one line for each entrant."""
    head = ("method", "by", "learns", "orders", *COLUMNS)
    lines = [row(head), row(["---"] * 4 + ["---:"] * len(COLUMNS))]
    for name in sorted(figures, key=lambda name: -figures[name]["ndcg@10"]):
        by, learns = (PEERS[name].by, PEERS[name].renewed) if name in PEERS else ("this repository", "each event")
        numbers = (format(figures[name][key], form) for key, form in COLUMNS.values())
        bold = f"**{name}**" if name == OURS else name
        lines.append(row([bold, by, learns, str(SEEDS[name]), *numbers]))
    return "\n".join(lines)


def ahead(peer: str, above: Sequence[Lift]) -> str:
    """Return one line for each order of the ties."""
    lines = [row(["order", f"NDCG@10 above {peer}", "95 % interval"]), row(["---", "---:", "---:"])]
    for seed, one in enumerate(above):
        lines.append(row([str(seed), f"{one.ratio:+.1%}", f"{low_of(one):+.1%} to {high_of(one):+.1%}"]))
    return "\n".join(lines)


def low_of(one: Lift) -> float:
    """Return where the interval of a lift begins, as a share of what it is above."""
    return one.low * one.ratio / one.difference


def high_of(one: Lift) -> float:
    """Return where the interval of a lift ends, as a share of what it is above."""
    return one.high * one.ratio / one.difference


def row(cells: Sequence[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"
