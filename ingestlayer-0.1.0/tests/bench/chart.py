# SPDX-License-Identifier: MIT
"""scale.json as a picture: a column for each thing that grows, and cost, rate
and memory below each other."""
import math

PANEL_W, PANEL_H = 190, 110
LEFT, GAP_X, TOP, GAP_Y = 64, 62, 84, 42
COLOURS = ("#2f81f7", "#d1701f", "#2da160")
# Its own background, so that it is legible on whatever page it stands.
STYLE = """
text { font: 11px system-ui, sans-serif; fill: #57606a; }
.title { font-size: 13px; font-weight: 600; fill: #1f2328; }
.page { fill: #ffffff; } .frame { fill: none; stroke: #d0d7de; } .flat { stroke: #8c959f; stroke-dasharray: 2 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1; } .title { fill: #f0f6fc; } .page { fill: #0d1117; } .frame { stroke: #3d444d; }
}
"""

# name: (title, x, logarithmic, [(label, points kept, cost, rate, memory)]); a
# quantity is a function of a point, None where there is none.
COLUMNS = {
    "backlog": ("backlog, GB", lambda p: p["gb"], False, [
        ("draining", None, lambda p: p["ours"], lambda p: p["rate"], lambda p: p["memory"]),
        ("filling", None, lambda p: p["gate"], None, lambda p: p["fill_memory"])]),
    "entities": ("entities", lambda p: p["entities"], True, [
        ("skewed", None, lambda p: p["skewed_lane"], lambda p: p["skewed_rate"], lambda p: p["memory"]),
        ("uniform", None, lambda p: p["uniform_lane"], lambda p: p["uniform_rate"], None)]),
    "lanes": ("lanes", lambda p: p["lanes"], False, [
        ("each event and lane", None, lambda p: p["ours"], lambda p: p["rate"], lambda p: p["memory"])]),
    "keys": ("idempotency keys, millions", lambda p: p["millions"], True, [
        ("each key", None, lambda p: p["ns"] / 1000, lambda p: 1e9 / p["ns"], lambda p: p["memory"])]),
    "connections": ("connections", lambda p: p["connections"], True, [
        ("no idle ones", lambda p: not p["idle"], lambda p: p["ours"], lambda p: p["rate"], lambda p: p["memory"]),
        ("10,000 idle ones", lambda p: p["idle"], lambda p: p["ours"], lambda p: p["rate"], lambda p: p["memory"])]),
    "sizes": ("event, bytes (cost: by kB)", lambda p: p["bytes"], True, [
        ("ours", None, lambda p: p["ours"] * 1000 / p["bytes"], lambda p: p["rate"] * p["bytes"] / 1000,
         lambda p: p["memory"]),
        ("Postgres's", None, lambda p: p["pg"] * 1000 / p["bytes"], None, None)]),
}
ROWS = ("cost, us of CPU", "rate, a second", "memory, MB")

TABLES = {
    "backlog": [("GB", "gb", "%.1f"), ("gate s/M", "gate", "%.2f"), ("MB", "fill_memory", "%.0f"),
                ("| drain s/M", "ours", "%.2f"), ("pg s/M", "pg", "%.2f"),
                ("events/s", "rate", "%.0f"), ("MB", "memory", "%.0f")],
    "entities": [("entities", "entities", "%d"), ("look-up ns", "uniform_ns", "%.0f"), ("skewed", "skewed_ns", "%.0f"),
                 ("lane s/M", "uniform_lane", "%.2f"), ("skewed", "skewed_lane", "%.2f"), ("MB", "memory", "%.0f"),
                 ("MB on disk", "disk", "%.0f")],
    "lanes": [("lanes", "lanes", "%d"), ("s/M each", "ours", "%.3f"), ("deliveries/s", "rate", "%.0f"),
              ("MB", "memory", "%.0f")],
    "keys": [("M keys", "millions", "%g"), ("ns each", "ns", "%.0f"), ("at the end", "last_ns", "%.0f"),
             ("worst batch us", "worst_us", "%.0f"), ("MB", "memory", "%.0f"), ("MB on disk", "disk", "%.0f")],
    "connections": [("senders", "connections", "%d"), ("idle", "idle", "%d"), ("us each", "ours", "%.1f"),
                    ("requests/s", "rate", "%.0f"), ("p99 ms", "p99", "%.1f"), ("MB", "memory", "%.0f")],
    "sizes": [("bytes", "bytes", "%d"), ("us each", "ours", "%.1f"), ("pg us", "pg", "%.1f"),
              ("events/s", "rate", "%.0f"), ("MB", "memory", "%.0f")],
}


def table(data):
    """Lines of text: what was measured, case by case."""
    lines = []
    for name, case in data.items():
        columns = TABLES[name]
        rows = [[title for title, _, _ in columns]]
        rows += [[fmt % p[key] for _, key, fmt in columns] for p in case["points"]]
        widths = [max(len(r[i]) for r in rows) for i in range(len(columns))]
        lines += ["", "%s (load %.1f)" % (name, case["load"])] + ["  " + "  ".join(c.rjust(w) for c, w in zip(r, widths)) for r in rows]
    return lines[1:]


def short(v):
    """1200000 as 1.2M"""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if v >= limit:
            return "%g%s" % (float("%.3g" % (v / limit)), unit)
    return "%g" % float("%.3g" % v)


def ceiling(v):
    """The next round number: what the axis ends with."""
    step = 10 ** math.floor(math.log10(v)) if v > 0 else 1
    return next(step * m for m in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * m >= v * 0.999)


class Panel:
    def __init__(self, left, top, xs, logarithmic, most):
        self.left, self.top, self.most, self.log = left, top, most, logarithmic
        self.low, self.high = (self.scaled(min(xs)), self.scaled(max(xs))) if logarithmic else (0, max(xs))

    def scaled(self, v):
        return math.log10(v) if self.log else v

    def x(self, v):
        return self.left + PANEL_W * (self.scaled(v) - self.low) / ((self.high - self.low) or 1)

    def y(self, v):
        return self.top + PANEL_H * (1 - v / self.most)

    def frame(self, xs):
        bottom = self.top + PANEL_H
        out = ['<rect class="frame" x="%d" y="%d" width="%d" height="%d"/>' % (self.left, self.top, PANEL_W, PANEL_H)]
        for share in (0, 0.5, 1):
            out.append('<text x="%d" y="%.1f" text-anchor="end">%s</text>' % (
                self.left - 5, bottom - PANEL_H * share + 4, short(self.most * share)))
        shown = -100.0
        for v in sorted(set(xs)):
            if self.x(v) - shown >= 30:
                shown = self.x(v)
                out.append('<text x="%.1f" y="%d" text-anchor="middle">%s</text>' % (shown, bottom + 14, short(v)))
        return out

    def line(self, points, colour):
        at = ["%.1f,%.1f" % (self.x(x), self.y(y)) for x, y in points]
        return ['<polyline points="%s" fill="none" stroke="%s" stroke-width="1.8"/>' % (" ".join(at), colour)] + [
            '<circle cx="%s" cy="%s" r="2.4" fill="%s"/>' % (*p.split(","), colour) for p in at]

    def flat(self, limit):
        """Where the cost would be a fifth above that of the first point."""
        if limit > self.most:
            return []
        return ['<line class="flat" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>' % (
            self.left, self.left + PANEL_W, self.y(limit), self.y(limit))]


def column(left, name, points):
    title, x_of, logarithmic, series = COLUMNS[name]
    out = ['<text class="title" x="%d" y="22">%s</text>' % (left, title)]
    for i, s in enumerate(series):
        out.append('<circle cx="%d" cy="%d" r="4" fill="%s"/><text x="%d" y="%d">%s</text>' % (
            left + 4, 35 + 14 * i, COLOURS[i], left + 13, 39 + 14 * i, s[0]))
    for row in range(len(ROWS)):
        lines = []
        for i, (_, keep, *quantities) in enumerate(series):
            if quantities[row]:
                lines.append((i, sorted((x_of(p), quantities[row](p)) for p in points if not keep or keep(p))))
        panel = Panel(left, TOP + row * (PANEL_H + GAP_Y), [x_of(p) for p in points], logarithmic,
                      ceiling(max(y for _, line in lines for _, y in line)))
        out += panel.frame([x_of(p) for p in points])
        if row == 0:
            out += panel.flat(lines[0][1][0][1] * 1.2)
        for i, line in lines:
            out += panel.line(line, COLOURS[i])
    return out


def write(data, path):
    names = [n for n in COLUMNS if n in data]
    width = LEFT + len(names) * (PANEL_W + GAP_X)
    height = TOP + len(ROWS) * (PANEL_H + GAP_Y)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" '
           'aria-label="Cost, rate and memory as things grow">' % (width, height),
           "<style>%s</style>" % STYLE, '<rect class="page" width="100%" height="100%"/>']
    for row, what in enumerate(ROWS):
        y = TOP + row * (PANEL_H + GAP_Y) + PANEL_H / 2
        out.append('<text class="title" x="14" y="%d" text-anchor="middle" transform="rotate(-90 14 %d)">%s</text>' % (
            y, y, what))
    for i, name in enumerate(names):
        out += column(LEFT + i * (PANEL_W + GAP_X), name, data[name]["points"])
    with open(path, "w") as f:
        f.write("\n".join(out) + "\n</svg>\n")
