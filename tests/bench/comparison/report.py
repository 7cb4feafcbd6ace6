"""Tables of a record, as Markdown and for the screen."""

from comparison import figures, workloads

NAMES = {"estiba": "Estiba", "relay": "gRPC relay", "nats": "NATS core", "jetstream": "JetStream", "redis-pubsub": "Redis Pub/Sub",
         "redis-streams": "Redis Streams", "mosquitto": "Mosquitto"}
BEGIN = "<!-- results: begin (written by tests/bench/run) -->"
END = "<!-- results: end -->"


def summarize(environment, results):
    """The record: all reports, with their statistics."""
    entries = []
    for name, rounds in results.items():
        workload = workloads.BY_NAME[name]
        first = workload.sides[0].name
        summary = {}
        for figure in (workload.figure, *workload.also):
            sides = {side.name: values for side in workload.sides
                     if (values := figures.of_side(rounds, side.name, figure))}
            summary[figure] = {
                "unit": figures.FIGURES[figure].unit,
                "sides": {side: figures.spread(values) for side, values in sides.items()},
                "ratios": {side: figures.spread(pairs) for side in sides
                           if side != first and (pairs := figures.ratios(rounds, first, side, figure))},
            }
        entries.append({"name": name, "title": workload.title, "figures": summary, "rounds": rounds})
    bars = [verdict for bar in workloads.BARS if bar.workload in results
            and (verdict := figures.judge(bar, results[bar.workload]))]
    return {"environment": environment, "bars": bars, "workloads": entries}


def _show(stats, show):
    if stats["rounds"] == 1:
        return f"**{show(stats['median'])}**"
    return f"**{show(stats['median'])}** ({show(stats['min'])}-{show(stats['max'])})"


def _ratio(value):
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def bars_table(record):
    lines = ["| bar | | figure | least-most | met |", "|---|---|---|---|---|"]
    for bar in record["bars"]:
        lines.append(f"| {bar['bar']} | {bar['text']} | **{_ratio(bar['median'])}** | {_ratio(bar['min'])}-{_ratio(bar['max'])} | "
                     f"{'yes' if bar['met'] else '**no**'} |")
    return lines


def _measured(entry, side):
    return any(side in runs for runs in entry["rounds"])


def _peer_tables(record):
    """Workloads in which Estiba and peers take turns: one column for each peer."""
    peers = [peer for peer in workloads.PEERS
             if any(_measured(entry, peer) for entry in record["workloads"])]
    lines = ["| workload | | " + " | ".join(NAMES[peer] for peer in peers) + " |", "|---|---" + "|---" * len(peers) + "|"]
    for entry in record["workloads"]:
        if not _measured(entry, "estiba"):
            continue
        for number, (figure, summary) in enumerate(entry["figures"].items()):
            cells = []
            for peer in peers:
                stats = summary["sides"].get(peer)
                if stats is None:
                    cells.append("-")
                    continue
                cell = _show(stats, figures.FIGURES[figure].show)
                if peer in summary["ratios"]:
                    cell += f", {_ratio(summary['ratios'][peer]['median'])}×"
                cells.append(cell)
            title = entry["title"] if number == 0 else "the same"
            lines.append(f"| {title} | {summary['unit']} | " + " | ".join(cells) + " |")
    return lines if len(lines) > 2 else []


def _pair_table(record):
    """Workloads in which Estiba is compared with itself."""
    lines = ["| Estiba with and without | | with | without | with / without |", "|---|---|---|---|---|"]
    for entry in record["workloads"]:
        if not _measured(entry, "with"):
            continue
        for number, (figure, summary) in enumerate(entry["figures"].items()):
            show = figures.FIGURES[figure].show
            sides = [_show(summary["sides"][side], show) if side in summary["sides"] else "-" for side in ("with", "without")]
            ratio = _show(summary["ratios"]["without"], _ratio) if "without" in summary["ratios"] else "-"
            lines.append(f"| {entry['title'] if number == 0 else 'the same'} | {summary['unit']} | {' | '.join(sides)} | {ratio} |")
    return lines if len(lines) > 2 else []


def environment_line(record):
    e = record["environment"]
    counts = {len(entry["rounds"]) for entry in record["workloads"]} - {1} or {1}
    rounds = " or ".join(str(count) for count in sorted(counts))
    return (f"Median (least-most) of {rounds} rounds in turns; the backlog once. {e['date']}, commit {e['commit']}"
            f"{' with uncommitted changes' if e['uncommitted_changes'] else ''}; {e['cpu']}, {e['cores']} cores, "
            f"{e['memory_gib']} GiB; {e['system']}, {e['kernel']}, load {e['load_average_before']} before; {e['compiler']}, "
            f"{e['flags']}; gRPC {e['grpc']}; NATS {e['nats_server']}, libnats {e['libnats']}; Redis {e['redis']}, hiredis "
            f"{e['hiredis']}; Mosquitto {e['mosquitto']}. `{e['command']}`")


def markdown(record, plots=()):
    parts = []
    if record["bars"]:
        parts += ["What is asked of Estiba: ratios to the peer, pair by pair, or the figure itself.", "", *bars_table(record), ""]
    peers = _peer_tables(record)
    if peers:
        parts += ["Each cell: the figure, and Estiba's as a multiple of it. Of times and memory less is better.", "", *peers, ""]
        parts += [f"- {NAMES[peer]}: {what}." for peer, what in workloads.CANNOT.items()] + [""]
    pairs = _pair_table(record)
    if pairs:
        parts += [*pairs, ""]
    parts += [f"![{title}]({path})" for title, path in plots]
    if plots:
        parts.append("")
    return "\n".join([*parts, environment_line(record)])


def write_into(readme, text):
    """Puts the text between the marks of the README."""
    whole = readme.read_text()
    begin = whole.index(BEGIN) + len(BEGIN)
    readme.write_text(whole[:begin] + "\n" + text + "\n" + whole[whole.index(END):])
