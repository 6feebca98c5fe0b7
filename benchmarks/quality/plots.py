"""The contest in three pictures, PNG files beside this one."""

from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
from entrants import AT_HAND, LATE, OURS, REFRESHED, STRONGEST, Task
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from freshet.models.prequential import Outcome, gains

FOLDER = Path(__file__).parent
WINDOW = 5_000
SHOWN = ("popularity", "ALS", "EASE", "TF-IDF, item-item", "sequential rules")
INK, GREY = "#0b6e4f", "#8a8f98"


def draw(walks: Mapping[Task, Outcome], figures: Mapping[str, Mapping[str, float]], peer: str) -> None:
    """Draw NDCG over the stream, NDCG by freshness, and accuracy against coverage and novelty."""
    save("stream", lambda axes: over_the_stream(axes, walks, peer))
    save("freshness", lambda axes: by_freshness(axes, walks))
    save("beside-accuracy", lambda axes: beside_accuracy(axes, figures))


def save(name: str, draw_on: Callable[[Axes], None]) -> None:
    """Draw a picture and write it."""
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e5e7eb")
    axes.set_axisbelow(True)
    draw_on(axes)
    figure.savefig(FOLDER / f"{name}.png", dpi=110, metadata={"Software": None})
    plt.close(figure)


def over_the_stream(axes: Axes, walks: Mapping[Task, Outcome], peer: str) -> None:
    """Draw the moving mean of NDCG@10."""
    for name in (OURS, peer, *(one for one in SHOWN if one != peer)):
        one = walks[Task(name, 0)]
        means = np.convolve(gains(one.warm), np.ones(WINDOW) / WINDOW, "valid")[::200]
        style = {"color": INK, "linewidth": 2.4} if name == OURS else {"linewidth": 1.1}
        axes.plot(one.places[~one.is_cold][WINDOW - 1 :: 200][: len(means)], means, label=name, **style)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set(xlabel="events of the stream", ylabel="NDCG@10", title=f"NDCG@10, mean of the last {WINDOW:,} predictions")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8, ncols=2)


def by_freshness(axes: Axes, walks: Mapping[Task, Outcome]) -> None:
    """Draw NDCG@10 by how many events at a time are learnt."""
    for name, colour in zip(LATE, (INK, GREY, "#c2611f"), strict=True):
        walked = [walks[Task(STRONGEST if every == 1 and name == AT_HAND else name, 0, every)] for every in REFRESHED]
        means = [gains(one.warm).mean() for one in walked]
        axes.plot(REFRESHED, means, marker="o", color=colour, label=name)
        for every, mean in zip(REFRESHED[1:], means[1:], strict=True):
            axes.annotate(f"{mean:.3f}", (every, mean), (0, 7), textcoords="offset points", ha="center", fontsize=8)
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks(REFRESHED, [f"{every:,}" for every in REFRESHED])
    axes.set(xlabel="events learnt at a time", ylabel="NDCG@10", title="The same model, refreshed less often")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)


def beside_accuracy(axes: Axes, figures: Mapping[str, Mapping[str, float]]) -> None:
    """Draw coverage against NDCG@10, the colour by novelty."""
    points = np.array([[one["coverage"], one["ndcg@10"], one["novelty"]] for one in figures.values()])
    dots = axes.scatter(points[:, 0], points[:, 1], c=points[:, 2], cmap="viridis", s=60)
    for nth, place in enumerate(np.argsort(points[:, 1])):
        name, (coverage, accuracy, _) = list(figures)[place], points[place]
        weight = "bold" if name == OURS else "normal"
        axes.annotate(
            name,
            (coverage, accuracy),
            (6, -9 if nth % 2 else 4),
            textcoords="offset points",
            fontsize=7,
            fontweight=weight,
        )
    axes.set(
        xlabel="coverage: share of the films that were shown", ylabel="NDCG@10", title="Accuracy, coverage, novelty"
    )
    axes.margins(x=0.15)
    axes.figure.colorbar(dots, ax=axes, label="novelty, bits")
