"""Figures: drawn by matplotlib as SVG, whose colours become the page's own, light or dark.

No text of a user's enters a figure: names stand beside it as HTML, where every script has its font and nothing is
read as mathematics. Sizes are CSS pixels.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from markupsafe import Markup

from netwright.report.page.html import joined, tag

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE, HIGH = 440, 290
SERIES = 5
"""How many lines a figure can tell apart by colour."""

# Colours stand for CSS variables: no other value may appear in a figure.
INK, MUTED, LINE, ACCENT, OTHER, PAPER = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
LINES = ("#040404", "#070707", "#080808", "#090909", "#0a0a0a")
_VARIABLES = {
    INK: "--ink", MUTED: "--muted", LINE: "--line", ACCENT: "--accent", OTHER: "--other", PAPER: "--paper",
    LINES[1]: "--series-2", LINES[2]: "--series-3", LINES[3]: "--series-4", LINES[4]: "--series-5",
}  # fmt: skip

# It tells of its font cache on standard error where nobody listens; who listens to its log still hears it.
logging.getLogger("matplotlib").addHandler(logging.NullHandler())

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "netwright", "figure.dpi": 72, "font.family": ["DejaVu Sans"], "font.size": 12,
    "axes.linewidth": 1, "axes.edgecolor": LINE, "axes.labelcolor": MUTED, "axes.labelsize": 12, "axes.labelpad": 6,
    "axes.grid": True, "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False,
    "axes.spines.left": False, "axes.unicode_minus": True, "axes.formatter.use_mathtext": False,
    "axes.formatter.limits": (-4, 6), "grid.color": LINE, "grid.linewidth": 1, "xtick.color": LINE, "ytick.color": LINE,
    "xtick.labelcolor": MUTED, "ytick.labelcolor": MUTED, "xtick.major.size": 4, "ytick.major.size": 0,
    "xtick.minor.size": 0, "ytick.minor.size": 0, "lines.linewidth": 2, "lines.solid_capstyle": "round",
    "text.color": MUTED, "text.parse_math": False, "path.simplify_threshold": 0.2, "patch.linewidth": 0,
}  # fmt: skip


@contextmanager
def drawing() -> Iterator[None]:
    """Within the block matplotlib draws as the page wants, whatever the user's own settings are."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


class Figure:
    """One figure of the page: draw on `axes`, then take `html()`."""

    def __init__(self, alt: str, *, x: str, y: str, wide: float = WIDE, high: float = HIGH) -> None:
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure as Drawn

        self.alt, self.wide, self.high = alt, wide, high
        self.drawn = Drawn(figsize=(wide / 72, high / 72), facecolor="none")
        FigureCanvasSVG(self.drawn)
        top = 26 if y else 10
        self.axes: Axes = self.drawn.add_axes(
            (46 / wide, 46 / high, 1 - 58 / wide, 1 - (46 + top) / high), facecolor="none"
        )
        # placed by hand: matplotlib would lay all ticks out twice over to find the place of a label
        self.drawn.text((46 + (wide - 58) / 2) / wide, 8 / high, x, ha="center", va="bottom")
        if y:  # above the axis, where it is read without turning one's head
            self.drawn.text(12 / wide, 1 - 12 / high, y, ha="left", va="center")
        self.axes.xaxis.grid(False)
        self.axes.locator_params(nbins=5, steps=[1, 2, 2.5, 5, 10])

    def boxes(self, x: Any, y: Any, wide: Any, tall: Any, colour: str, alpha: float = 1.0) -> None:
        """Draw boxes of one colour, each by its lower left corner and its size, as one shape: many stay small and fast."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        x, y, wide, tall = np.broadcast_arrays(x, y, wide, tall)
        corners = ((x, y), (x + wide, y), (x + wide, y + tall), (x, y + tall), (x, y))
        points = np.stack([np.stack(pair, 1) for pair in corners], 1)  # (n, 5, 2)
        marks = np.tile([Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY], len(points))
        shape = PathPatch(Path(points.reshape(-1, 2), marks), facecolor=colour, alpha=alpha, linewidth=0)
        self.axes.add_patch(shape)

    def whole(self, axis: Literal["x", "y"]) -> None:
        """Mark an axis at whole numbers alone."""
        from matplotlib.ticker import MaxNLocator

        upright = axis == "y"
        (self.axes.yaxis if upright else self.axes.xaxis).set_major_locator(
            MaxNLocator(5, integer=True, steps=[1, 2, 5, 10])
        )

    def html(self, caption: Any = None, legend: Sequence[tuple[str, Any]] = ()) -> Markup:
        """Return the figure with its caption and legend: pairs of a colour of this module and a text."""
        from matplotlib.ticker import FuncFormatter, NullFormatter

        for axis in (self.axes.xaxis, self.axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))
            axis.set_minor_formatter(NullFormatter())
        out = io.StringIO()
        self.drawn.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        svg = _tidied(out.getvalue(), self.alt, self.wide, self.high)
        return tag("figure", tag("figcaption", caption, key(legend) if legend else None) if caption else None, svg)


def tick(value: float) -> str:
    """Return a number as it stands on an axis.

    >>> tick(-0.25), tick(12500.0), tick(2.5e6), tick(1e-7), tick(3e12)
    ('−0.25', '12,500', '2.5 M', '1e−7', '3e12')
    """
    size = abs(value)
    if size >= 1e12 or 0 < size < 1e-4:
        mantissa, power = f"{value:.3e}".split("e")
        text = f"{float(mantissa):g}e{int(power)}"
    elif size >= 1e6:
        text = f"{value / 1e6:,.6g} M"
    else:
        text = f"{value:,.8g}" if size >= 1e4 else f"{value:.8g}"
    return text.replace("-", "−")


def key(legend: Sequence[tuple[str, Any]]) -> Markup:
    """Return what the colours stand for."""
    marks = [
        tag("li", tag("i", style=f"background:var({_VARIABLES[colour]})", aria_hidden="true"), text)
        for colour, text in legend
    ]
    return tag("ul", marks, class_="key")


def side_by_side(*figures: Markup | None) -> Markup:
    """Return figures beside each other where the page is wide, under each other where it is not."""
    return tag("div", [figure for figure in figures if figure is not None], class_="figures")


def _tidied(svg: str, alt: str, wide: float, high: float) -> Markup:
    """The drawing as an element of the page: no ids but those it refers to, colours as variables, few decimals."""
    body = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->|<\?.*?\?>", "", body, flags=re.DOTALL)
    used = set(re.findall(r"(?:href=\"#|url\(#)([^\")]+)", body))
    own = hashlib.blake2b(body.encode(), digest_size=4).hexdigest()  # ids are one page's, and figures are many
    body = re.sub(r' id="([^"]*)"', lambda found: f' id="{own}-{found[1]}"' if found[1] in used else "", body)
    body = re.sub(r"(href=\"#|url\(#)", rf"\g<1>{own}-", body)
    body = re.sub(r"font: ?([\d.]+)px [^;\"]*|font-size: ?([\d.]+)px; font-family: ?[^;\"]*", _sized, body)
    body = body.replace("xlink:href", "href")
    body = re.sub(r'="[^"]*"', lambda found: re.sub(r"(\d\.\d\d)\d+", r"\1", found[0]), body)
    body = re.sub(r"rotate\(-?0 [^)]*\)", "", body).replace(' transform=""', "")
    body = re.sub(r"#0[0-9a-f]{5}\b", lambda found: f"var({_VARIABLES[found[0]]})", body)
    body = re.sub(r"\s*\n\s*", " ", body)
    body = re.sub(r"> <", "><", body)
    head = f'<svg viewBox="0 0 {wide:g} {high:g}" role="img"'
    return joined([Markup(head + ' aria-label="'), alt, Markup('">'), tag("title", alt), Markup(body + "</svg>")])


def _sized(found: re.Match[str]) -> str:
    return f"font-size: {float(found[1] or found[2]):g}px"
