"""Two kinds of plots as SVG text: stacked bars and ranges. The same numbers give the same bytes.

Nothing depends on colour: parts of a bar stand in the order of the key, and tell their name to whoever points at them.
"""

from html import escape

WIDTH, LEFT, RIGHT, ROW, GAP = 800, 90, 70, 18, 8
FILLS = ("#1b4965", "#5fa8d3", "#cae9ff", "#f4a259", "#bc4b51", "#8cb369")
FONT = "12px Verdana,DejaVu Sans,sans-serif"
STYLE = f"text{{font:{FONT};fill:#222}}.t{{font-weight:bold}}.s{{font-size:10px}}line{{stroke:#bbb}}"


def nice(largest):
    """A step that divides an axis up to `largest` into three to seven parts."""
    step = 1.0
    while step * 7 < largest:
        step *= 10
    while largest / step < 3:
        step /= 10
    return next(step * factor for factor in (1, 2, 5, 10) if largest / (step * factor) <= 7)


def amount(value):
    """A number of an axis or a label."""
    return f"{value:.3g}"


class Plot:
    """Groups of rows under one axis; `text` is the file."""

    def __init__(self, title, unit, largest):
        """A title, what the axis counts, and how far it goes."""
        self.unit, self.largest = unit, largest
        self.step = nice(largest)
        self.scale = (WIDTH - LEFT - RIGHT) / largest
        self.parts = [f'<text class="t" x="8" y="18">{escape(title)}</text>']
        self.y = 34.0

    def x(self, value):
        """Where a value is."""
        return LEFT + value * self.scale

    def write(self, x, y, text, *, anchor="start", cls=""):
        """Put text somewhere."""
        of_class = f' class="{cls}"' if cls else ""
        self.parts.append(f'<text{of_class} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>')

    def box(self, x, width, fill, title):
        """A part of a bar in the current row, which tells its name to whoever points at it."""
        self.parts.append(
            f'<rect x="{x:.1f}" y="{self.y:.1f}" width="{max(width, 0.3):.1f}" height="{ROW}" fill="{fill}" '
            f'stroke="#222" stroke-width="0.4"><title>{escape(title)}</title></rect>'
        )

    def group(self, name):
        """A heading above the rows that follow."""
        self.y += 6
        self.write(8, self.y + 10, name, cls="t")
        self.y += 18

    def row(self, name, parts, label):
        """A stacked bar: (name, value, fill) each."""
        self.write(LEFT - 6, self.y + 13, name, anchor="end")
        at = 0.0
        for part, value, fill in parts:
            self.box(self.x(at), value * self.scale, fill, f"{part} {amount(value)} {self.unit}")
            at += value
        self.write(self.x(at) + 4, self.y + 13, label)
        self.y += ROW + GAP

    def span(self, name, low, middle, high):
        """A range with its middle."""
        self.write(LEFT - 6, self.y + 13, name, anchor="end")
        self.box(self.x(low), (high - low) * self.scale, FILLS[1], f"{amount(low)} to {amount(high)} {self.unit}")
        self.parts.append(
            f'<rect x="{self.x(middle) - 1.5:.1f}" y="{self.y:.1f}" width="3" height="{ROW}" fill="#222"/>'
        )
        self.write(self.x(high) + 4, self.y + 13, f"{amount(middle)} ({amount(low)}-{amount(high)})", cls="s")
        self.y += ROW + GAP

    def key(self, names):
        """What each fill stands for."""
        x = LEFT
        for name, fill in names:
            self.parts.append(
                f'<rect x="{x:.1f}" y="{self.y:.1f}" width="12" height="12" fill="{fill}" stroke="#222" '
                'stroke-width="0.4"/>'
            )
            self.write(x + 16, self.y + 10, name)
            x += 34 + 7 * len(name)
        self.y += 22

    def text(self):
        """The whole file."""
        axis = []
        bottom = self.y
        for k in range(int(self.largest / self.step) + 1):
            x = self.x(k * self.step)
            axis.append(f'<line x1="{x:.1f}" y1="30" x2="{x:.1f}" y2="{bottom:.1f}"/>')
            axis.append(
                f'<text class="s" x="{x:.1f}" y="{bottom + 12:.1f}" text-anchor="middle">{amount(k * self.step)}</text>'
            )
        axis.append(f'<text class="s" x="{WIDTH - 8}" y="{bottom + 12:.1f}" text-anchor="end">{self.unit}</text>')
        height = bottom + 20
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}">',
                f"<style>{STYLE}</style>",
                f'<rect width="{WIDTH}" height="{height:.0f}" fill="#fff"/>',
                *axis,
                *self.parts,
                "</svg>",
                "",
            ]
        )
