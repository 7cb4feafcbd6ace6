"""Plots of a record as SVG: bars side by side with the least and the most, drawn with nothing but text."""

from comparison import figures, report, workloads

COLOURS = {"estiba": "#1b7f5c", "relay": "#9a9a9a", "nats": "#3b6fb6", "jetstream": "#7fa8d8", "redis-pubsub": "#c0392b",
           "redis-streams": "#e08e84", "mosquitto": "#b8860b"}
WIDTH, LEFT, RIGHT = 860, 250, 110
BAR, GAP, GROUP_GAP, TOP = 15, 3, 16, 46

# File, title, figure, and which workloads with what label.
PLOTS = (
    ("throughput", "M messages/s delivered, 1 publisher, 1 subscriber", "throughput",
     (("batches-16", "16 B"), ("batches-128", "128 B"), ("batches-1024", "1 KiB"), ("batches-65536", "64 KiB"),
      ("acked", "128 B, acked"))),
    ("shapes", "M messages/s delivered, 128 B", "throughput",
     (("fan-out-8", "1 to 8"), ("fan-in-8", "8 to 1"), ("topics-64", "8 to 8 over 64 topics"))),
    ("latency-p50", "microseconds, p50, 128 B (less is better)", "p50",
     (("one-at-a-time", "one at a time"), ("open-loop-1k", "1,000/s"), ("open-loop-20k", "20,000/s"),
      ("open-loop-100k", "100,000/s"))),
    ("latency-p99", "microseconds, p99, 128 B (less is better)", "p99",
     (("one-at-a-time", "one at a time"), ("open-loop-1k", "1,000/s"), ("open-loop-20k", "20,000/s"),
      ("open-loop-100k", "100,000/s"))),
    ("memory", "bytes of resident memory for each encoded byte of a backlog (less is better)", "memory",
     (("backlog", "10 million messages"),)),
)


def _text(x, y, words, size=12, anchor="start", colour="#222"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">{words}</text>')


def _bar(y, scale, name, stats, show):
    x = LEFT + stats["median"] * scale
    middle = y + BAR / 2
    parts = [_text(LEFT - 8, middle + 4, report.NAMES[name], 11, "end"),
             f'<rect x="{LEFT}" y="{y}" width="{max(1, x - LEFT):.1f}" height="{BAR}" fill="{COLOURS[name]}"/>']
    most = LEFT + stats["max"] * scale
    if stats["max"] > stats["min"]:
        least = LEFT + stats["min"] * scale
        parts.append(f'<path d="M{least:.1f} {middle}H{most:.1f}M{least:.1f} {y + 4}v{BAR - 8}M{most:.1f} {y + 4}v{BAR - 8}" '
                     'stroke="#222" stroke-width="1" fill="none"/>')
    parts.append(_text(max(x, most) + 6, middle + 4, show(stats["median"]), 11))
    return parts


def draw(title, figure, groups):
    """Groups: (label, {peer: statistics}). Each group has a scale of its own, or small ones would not be seen."""
    show = figures.FIGURES[figure].show
    parts, y = [_text(12, 24, title, 14)], TOP
    for label, sides in groups:
        peers = [peer for peer in workloads.PEERS if peer in sides]
        scale = (WIDTH - LEFT - RIGHT) / max(sides[peer]["max"] for peer in peers)
        parts.append(_text(12, y + BAR - 3, label))
        for peer in peers:
            parts += _bar(y, scale, peer, sides[peer], show)
            y += BAR + GAP
        y += GROUP_GAP
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" '
            f'font-family="sans-serif">\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n')


def write(record, folder):
    """Writes what the record has figures for; returns (title, file name) of each."""
    folder.mkdir(exist_ok=True)
    entries = {entry["name"]: entry for entry in record["workloads"]}
    written = []
    for name, title, figure, chosen in PLOTS:
        groups = []
        for workload, label in chosen:
            sides = entries.get(workload, {}).get("figures", {}).get(figure, {}).get("sides", {})
            if sides:
                groups.append((label, sides))
        if not groups:
            continue
        (folder / f"{name}.svg").write_text(draw(title, figure, groups))
        written.append((title, f"{folder.name}/{name}.svg"))
    return written
