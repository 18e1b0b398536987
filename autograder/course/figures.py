"""Figures in one style: the colours, a blank figure, showing it with a description, and drawing a graph.

The colours are those of Okabe and Ito (2008), which stay apart for colour-blind readers.
matplotlib is imported when the first figure is drawn, so that importing the course costs nothing.
"""

from __future__ import annotations

import io
import logging
import warnings

import numpy as np

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, RED, PINK = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
GREY = "#6E6E6E"

STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that a figure looks the same everywhere
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "lines.linewidth": 2,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}


def new(width=7.0, height=3.6, rows=1, columns=1, **subplots):
    """A blank figure and its axes, in the course's style: `fig, ax = figures.new()`."""
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # it would announce its first run on stderr
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update(STYLE)
    fig = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    return fig, fig.subplots(rows, columns, **subplots)


def show(fig, description):
    """Display a figure, with a description in words for those who cannot see it."""
    from IPython.display import display

    description = " ".join(description.split())
    png = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty logarithmic axis, say: the figure shows it
        fig.savefig(png, format="png", dpi=110)
    display(
        {"image/png": png.getvalue(), "text/plain": description}, raw=True, metadata={"image/png": {"alt": description}}
    )


def draw_graph(
    ax, edges, names, positions, below=None, on_edges=None, colours=None, highlight=(), size=0.36, along=0.5
):
    """Draw a graph: a circle a node, an arrow an edge.

    Args:
        ax: the axes to draw on.
        edges: pairs of node numbers (from, to), shape (E, 2); parallel edges are drawn apart.
        names: what stands in each circle.
        positions: (x, y) of each node, in circles' distances.
        below: a second line for each node, under its circle, or None.
        on_edges: a text for each edge, or None.
        colours: a fill colour for each node, or None for white.
        highlight: the numbers of edges to draw bold.
        size: radius of a circle.
        along: where on its edge a text stands, 0 at the start, 1 at the end.
    """
    from matplotlib.patches import Circle, FancyArrowPatch

    edges = [tuple(int(v) for v in edge) for edge in edges]
    positions = np.asarray(positions, dtype=float)
    reach = [positions - size * np.array([2, 2.4]), positions + size * np.array([2, 1.4])]  # corners of what is drawn
    for e, (u, v) in enumerate(edges):
        step = positions[v] - positions[u]
        step *= 1 - 2 * size / np.hypot(*step)  # from rim to rim
        start, end = (positions[u] + positions[v] - step) / 2, (positions[u] + positions[v] + step) / 2
        twins = [i for i, other in enumerate(edges) if other == (u, v)]
        bend = 0.0 if len(twins) == 1 else 0.4 * (2 * twins.index(e) / (len(twins) - 1) - 1)
        # The arrow is a parabola; this is its point at the fraction `along`, as matplotlib's arc3 draws it.
        place = start + along * step + 2 * along * (1 - along) * bend * np.array([step[1], -step[0]])
        strong = e in highlight
        ax.add_patch(
            FancyArrowPatch(
                start, end, arrowstyle="-|>", mutation_scale=12, shrinkA=0, shrinkB=0,
                connectionstyle=f"arc3,rad={bend}", color=RED if strong else GREY, linewidth=2.4 if strong else 1.2,
            )
        )  # fmt: skip
        if on_edges is not None and on_edges[e]:
            ax.text(
                *place, on_edges[e], ha="center", va="center", fontsize=9, color=RED if strong else BLACK,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            )  # fmt: skip
        reach += [[place - size], [place + size]]
    for v, (x, y) in enumerate(positions):
        fill = "white" if colours is None or colours[v] is None else colours[v]
        ax.add_patch(Circle((x, y), size, facecolor=fill, edgecolor=BLACK, linewidth=1.2, zorder=3))
        ax.text(x, y, names[v], ha="center", va="center", fontsize=10, zorder=4)
        if below is not None and below[v]:
            ax.text(x, y - size - 0.06, below[v], ha="center", va="top", fontsize=9, color=BLUE, zorder=4)
    reach = np.concatenate(reach)
    ax.set_xlim(reach[:, 0].min(), reach[:, 0].max())
    ax.set_ylim(reach[:, 1].min(), reach[:, 1].max())
    ax.set_aspect("equal", anchor="NW")
    ax.axis("off")


def draw_product(ax, factors, scale=0.5):
    """Draw arrays as boxes in a row, with signs between them: shapes that can be seen to fit.

    Args:
        ax: the axes to draw on.
        factors: (sign, name, rows, columns, row label, column label, colour) for each box; the sign stands before it.
        scale: the side of one entry.
    """
    from matplotlib.patches import Rectangle

    x, tallest = 0.0, max(rows for _, _, rows, *_ in factors) * scale
    for sign, name, rows, columns, row_label, column_label, colour in factors:
        if sign:
            ax.text(x + 0.45, 0, sign, ha="center", va="center", fontsize=14)
            x += 0.9
        if row_label:
            x += 0.45
            ax.text(x - 0.12, 0, row_label, ha="right", va="center", fontsize=10, color=GREY)
        width, height = columns * scale, rows * scale
        for i in range(rows):
            for j in range(columns):
                corner = (x + j * scale, height / 2 - (i + 1) * scale)
                ax.add_patch(Rectangle(corner, scale, scale, facecolor=colour, edgecolor="white", linewidth=1))
        ax.text(x + width / 2, -tallest / 2 - 0.2, name, ha="center", va="top", fontsize=11)
        ax.text(x + width / 2, height / 2 + 0.08, column_label, ha="center", va="bottom", fontsize=10, color=GREY)
        x += width
    ax.set_xlim(-0.2, x + 0.2)
    ax.set_ylim(-tallest / 2 - 0.75, tallest / 2 + 0.5)
    ax.set_aspect("equal", anchor="NW")
    ax.axis("off")
