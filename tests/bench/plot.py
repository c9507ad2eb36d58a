"""Draws the distribution of each figure as an SVG: a dot for each round, a box from quartile to
quartile with the median in it, and a broken line where the goals are."""

import statistics

import report

WIDTH, LEFT, ROW, GAP = 860, 110, 18, 34
COLORS = {"runsafe-oci": "#1b6ca8", "runsafe": "#2a9d8f", "crun": "#d1495b", "runc": "#c98a1b",
          "floor": "#555555"}
STYLE = """<style>
text { font: 12px sans-serif; fill: #222 } .title { font-weight: bold } .end { text-anchor: end }
.axis { stroke: #ccc } .goal { stroke: #222; stroke-dasharray: 3 3 }
.dots { stroke-width: 4; stroke-linecap: round; stroke-opacity: .45; fill: none }
.box { fill-opacity: .25 } .median { stroke-width: 2 }
</style>"""


def step(most):
    """A round distance of about five ticks."""
    size = 1
    while size * 10 <= most:
        size *= 10
    while size > most:
        size /= 10
    return next(size * factor for factor in (0.2, 0.5, 1, 2) if most / (size * factor) <= 6)


def row(who, taken, y, at):
    color = COLORS[who.split()[0]]
    low, high = report.quartiles(taken)
    middle = y + ROW / 2
    # Dots side by side would hide how many there are.
    dots = "".join(f"M{at(value):.1f} {middle + (index % 5 - 2) * 2:.0f}h0"
                   for index, value in enumerate(taken))
    x = at(statistics.median(taken))
    return (f'<text class="end" x="{LEFT - 8}" y="{middle + 4}">{who}</text>'
            f'<path class="dots" stroke="{color}" d="{dots}"/>'
            f'<rect class="box" fill="{color}" stroke="{color}" x="{at(low):.1f}" y="{y + 2}" '
            f'width="{max(at(high) - at(low), 1):.1f}" height="{ROW - 4}"/>'
            f'<path class="median" stroke="{color}" d="M{x:.1f} {y + 1}v{ROW - 2}"/>')


def panel(result, figure, top):
    """One figure's drawing, and where it ends."""
    values = {who: taken for who, taken in figure["values"].items() if taken}
    most = max(max(statistics.median(taken), sorted(taken)[int(len(taken) * 0.9)])
               for taken in values.values()) * 1.1

    def at(value):
        return LEFT + min(value / most, 1.02) * (WIDTH - LEFT - 30)

    bottom = top + 22 + ROW * len(values)
    parts = [f'<text class="title" x="{LEFT}" y="{top + 12}">{figure["title"]} '
             f'({figure["unit"]})</text>']
    tick = step(most)
    for count in range(int(most / tick) + 1):
        x = at(count * tick)
        parts.append(f'<path class="axis" d="M{x:.1f} {top + 20}V{bottom}"/>'
                     f'<text x="{x - 4:.1f}" y="{bottom + 13}">{count * tick:g}</text>')
    for index, (who, taken) in enumerate(values.items()):
        parts.append(row(who, taken, top + 20 + index * ROW, at))
    goals = []
    for goal, other in ((figure["crun"], report.reference(result, "crun")),
                        (figure["floor"], "floor")):
        if goal is not None and other in values:
            goals.append(goal * statistics.median(values[other]))
    if goals:
        x = at(min(goals))
        parts.append(f'<path class="goal" d="M{x:.1f} {top + 16}V{bottom}"/>')
    return "\n".join(parts), bottom + GAP


def draw(result):
    parts, top = [], 40
    for figure in result["figures"].values():
        if max((len(taken) for taken in figure["values"].values()), default=0) > 2:
            drawing, top = panel(result, figure, top)
            parts.append(drawing)
    title = (f'runsafe {result["runsafe"]}, {result["date"]}: a dot is a round, the box is from '
             "quartile to quartile, the broken line is the goal")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}">'
            f'{STYLE}<rect width="100%" height="100%" fill="#fff"/>'
            f'<text x="10" y="20">{title}</text>\n' + "\n".join(parts) + "\n</svg>\n")
