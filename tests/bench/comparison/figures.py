"""Figures out of the programs' reports, and their statistics over rounds."""

import dataclasses
import statistics

from comparison import workloads


@dataclasses.dataclass(frozen=True)
class Figure:
    read: object             # from a report
    unit: str
    more_is_better: bool
    show: object


def _mega(value):
    return f"{value / 1e6:.3g}" if value < 1e5 else f"{value / 1e6:.2f}"


def _plain(value):
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _memory(report):
    server = report["server"]
    return ((server["resident_filled"] - server["resident_before"])
            / (report["published"]["messages"] * workloads.BACKLOG_ENCODED))


FIGURES = {
    "throughput": Figure(lambda r: r["delivered"]["messages_per_second"], "M messages/s", True, _mega),
    "publish_rate": Figure(lambda r: r["published"]["messages_per_second"], "M messages/s published", True, _mega),
    "p50": Figure(lambda r: r["latency_us"]["p50"], "p50, us", False, _plain),
    "p99": Figure(lambda r: r["latency_us"]["p99"], "p99, us", False, _plain),
    "cpu": Figure(lambda r: r["server"]["cpu_seconds"] * 1e9 / r["published"]["messages"], "ns of processor time", False,
                  _plain),
    "cpu_filling": Figure(lambda r: r["server"]["cpu_seconds_filling"] * 1e9 / r["published"]["messages"],
                          "ns of processor time", False, _plain),
    "memory": Figure(_memory, "bytes/byte", False, _plain),
}


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "rounds": len(values)}


def of_side(rounds, side, figure):
    """The figure of a side in every round that has it."""
    return [FIGURES[figure].read(runs[side]) for runs in rounds if side in runs]


def ratios(rounds, side, other, figure):
    """Pair by pair: those of one round."""
    read = FIGURES[figure].read
    return [read(runs[side]) / read(runs[other]) for runs in rounds if side in runs and other in runs]


def judge(bar, rounds):
    """What came of a bar, or nothing where it was not measured."""
    first = workloads.BY_NAME[bar.workload].sides[0].name
    values = ratios(rounds, first, bar.other, bar.figure) if bar.other else of_side(rounds, first, bar.figure)
    if not values:
        return None
    figure = spread(values)
    met = (bar.at_least is None or figure["median"] >= bar.at_least) and (
        bar.at_most is None or figure["median"] <= bar.at_most)
    return {"bar": bar.number, "text": bar.text, **figure, "met": met}
