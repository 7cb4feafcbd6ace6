"""The comparison's arithmetic and its tables, on reports made by hand."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.dont_write_bytecode = True

from comparison import figures, measure, plots, report, workloads  # noqa: E402


def run_of(rate, p99=1.0):
    return {"published": {"messages": 1_000, "messages_per_second": rate},
            "delivered": {"messages": 1_000, "messages_per_second": rate},
            "latency_us": {"p50": p99 / 2, "p99": p99}}


ENVIRONMENT = dict.fromkeys(
    ("date", "command", "commit", "cpu", "cores", "memory_gib", "system", "kernel", "load_average_before", "compiler",
     "flags", "grpc", "nats_server", "libnats", "redis", "hiredis", "mosquitto"), "x") | {"uncommitted_changes": False}


class ComparisonTest(unittest.TestCase):
    def test_ratios_are_of_runs_of_the_same_round(self):
        rounds = [{"estiba": run_of(30), "nats": run_of(10)}, {"estiba": run_of(80), "nats": run_of(20)},
                  {"estiba": run_of(10)}]
        self.assertEqual(figures.ratios(rounds, "estiba", "nats", "throughput"), [3, 4])

    def test_a_bar_is_judged_by_the_median(self):
        bar = next(bar for bar in workloads.BARS if bar.workload == "batches-16")
        rounds = [{"estiba": run_of(rate), "nats": run_of(10)} for rate in (29, 31, 90)]
        self.assertTrue(figures.judge(bar, rounds)["met"])
        rounds = [{"estiba": run_of(rate), "nats": run_of(10)} for rate in (29, 29, 90)]
        self.assertFalse(figures.judge(bar, rounds)["met"])

    def test_with_servers_just_started_either_side_comes_first_as_often(self):
        names = ("batches-128", "topics-10000", "backlog")
        chosen = [workloads.BY_NAME[name] for name in names]
        turns = [(number, workload.name, place, side.name) for number, workload, place, side
                 in measure.turns(chosen, 2, {"estiba", "estiba-stream", "nats"})]
        of_first = [("batches-128", 0, "estiba"), ("batches-128", 0, "nats"),
                    ("topics-10000", 0, "with"), ("topics-10000", 0, "without"),
                    ("topics-10000", 1, "without"), ("topics-10000", 1, "with"), ("backlog", 0, "estiba")]
        self.assertEqual([turn[1:] for turn in turns if turn[0] == 0], of_first)
        self.assertEqual([turn[1:3] for turn in turns if turn[0] == 1],
                         [("batches-128", 1)] * 2 + [("topics-10000", 2)] * 2 + [("topics-10000", 3)] * 2)

    def test_a_bar_on_latency_wants_less(self):
        bar = next(bar for bar in workloads.BARS if bar.workload == "open-loop-20k")
        self.assertTrue(figures.judge(bar, [{"estiba": run_of(1, 90), "nats": run_of(1, 100)}])["met"])
        self.assertFalse(figures.judge(bar, [{"estiba": run_of(1, 110), "nats": run_of(1, 100)}])["met"])

    def test_a_bar_that_was_not_measured_is_left_out(self):
        bar = next(bar for bar in workloads.BARS if bar.workload == "batches-16")
        self.assertIsNone(figures.judge(bar, [{"estiba": run_of(1)}]))

    def test_every_bar_names_sides_and_a_figure_of_its_workload(self):
        for bar in workloads.BARS:
            workload = workloads.BY_NAME[bar.workload]
            self.assertIn(bar.figure, (workload.figure, *workload.also))
            self.assertIn(bar.other, ("", *(side.name for side in workload.sides)))

    def test_memory_is_what_was_added_for_each_encoded_byte(self):
        run = {"published": {"messages": 1_000}, "server": {"resident_before": 500, "resident_filled": 500 + 208_000}}
        self.assertEqual(figures.FIGURES["memory"].read(run), 2)

    def test_table_and_plots_say_what_was_measured_and_what_not(self):
        results = {"batches-128": [{"estiba": run_of(4e6), "nats": run_of(1e6)}, {"estiba": run_of(6e6), "nats": run_of(2e6)}]}
        record = report.summarize(ENVIRONMENT, results)
        text = report.markdown(record)
        self.assertIn("**5.00** (4.00-6.00) | **1.50** (1.00-2.00), 3.50× |", text)
        self.assertIn("≥ 3 × NATS core | **3.50** | 3.00-4.00 | yes |", text)
        self.assertNotIn("JetStream |", text)
        with tempfile.TemporaryDirectory() as folder:
            written = plots.write(record, pathlib.Path(folder) / "plots")
            self.assertEqual([path for _, path in written], ["plots/throughput.svg"])
            self.assertIn("NATS core", (pathlib.Path(folder) / "plots/throughput.svg").read_text())

    def test_a_run_that_failed_leaves_the_others(self):
        results = {"batches-128": [{"nats": run_of(1e6)}, {"estiba": run_of(6e6), "nats": run_of(2e6)}]}
        text = report.markdown(report.summarize(ENVIRONMENT, results))
        self.assertIn("**6.00** | **1.50** (1.00-2.00), 3.00× |", text)

    def test_only_what_is_between_the_marks_is_written(self):
        with tempfile.TemporaryDirectory() as folder:
            readme = pathlib.Path(folder) / "README.md"
            readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
            report.write_into(readme, "new")
            self.assertEqual(readme.read_text(), f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n")


if __name__ == "__main__":
    unittest.main()
