"""The plots of the class report: matplotlib's, as SVG that takes the page's own colours, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from autograder.report import PARTIAL, PASSED
from autograder.whole_class.summary import ClassSummary

# Okabe and Ito's: told apart by those who see few colours. Each has a word beside it.
COLOURS = {"passed": "#009E73", "partial": "#E69F00", "no points": "#D55E00"}
BAR = "#0072B2"
INK = "#010203"  # stands for the page's text colour
STYLE = {
    "svg.fonttype": "none",  # text stays text
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
}


def distribution(summary: ClassSummary) -> str:
    """How many students have how many percent of the points."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.2, 2.6), layout="constrained")
        axes = figure.add_subplot()
        axes.hist(summary.percents, bins=range(0, 101, 5), color=BAR, edgecolor="none", rwidth=0.92)
        axes.set(xlabel="percent of the points", ylabel="students", xlim=(0, 100), title="Scores")
        axes.yaxis.get_major_locator().set_params(integer=True)
        return _svg(figure, "scores", "How many students have how many percent of the points")


def pass_rates(summary: ClassSummary) -> str:
    """For each function, how many percent of the students pass it, in part or not at all."""
    with matplotlib.rc_context(STYLE):
        names = [f.name for f in summary.functions][::-1]
        figure = Figure(figsize=(6.2, 1.1 + 0.3 * len(names)), layout="constrained")
        axes = figure.add_subplot()
        left = [0.0] * len(names)
        for word, colour in COLOURS.items():
            widths = [_share(f.statuses, word, f.students) for f in summary.functions][::-1]
            axes.barh(names, widths, left=left, color=colour, label=word, height=0.7)
            left = [a + b for a, b in zip(left, widths, strict=True)]
        axes.set(xlabel="percent of the students", xlim=(0, 100), title="Functions")
        figure.legend(loc="outside upper right", ncols=3)
        return _svg(figure, "functions", "For each function, the share of students who pass it, in part or not at all")


def _share(statuses, word: str, students: int) -> float:
    kinds: Sequence[str] = {"passed": [PASSED], "partial": [PARTIAL]}.get(
        word, [s for s in statuses if s not in (PASSED, PARTIAL)]
    )
    return 100 * sum(statuses[kind] for kind in kinds) / students if students else 0.0


def _svg(figure: Figure, name: str, label: str) -> str:
    """The figure as a piece of HTML, its names apart from other figures', its text of the page's colour."""
    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor").replace(BAR.lower(), "var(--bar)")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
