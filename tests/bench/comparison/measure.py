"""Runs the sides of the workloads in turns, round after round."""

import json
import re
import subprocess
import sys
import time

PATIENCE_SECONDS = 600


class MeasureError(Exception):
    """A run gave no figures."""


def turns(chosen, rounds, peers):
    """(round, workload, place of the figures among the workload's, side), as they are to be run.

    With servers just started each round has a pair in either order: whoever comes second writes into memory that the
    first has just given up, which a virtual machine may have at hand while other memory has to come from its host.
    """
    for number in range(rounds):
        for workload in chosen:
            if number > 0 and workload.once:
                continue
            sides = [side for side in workload.sides if not peers or side.peer in peers or not side.peer]
            orders = (sides, sides[::-1]) if workload.fresh and not workload.once else (sides,)
            for turn, order in enumerate(orders):
                for side in order:
                    yield number, workload, number * len(orders) + turn, side


class Measurement:
    """Collects a report for every workload, round and side."""

    def __init__(self, build, servers, scale, log=sys.stderr):
        self._build = build
        self._servers = servers
        self._scale = scale
        self._log = log
        self._seconds = {}       # what a run took last, by workload and side
        self.unsound = []
        self.failed = []

    def run(self, chosen, rounds, peers):
        """{workload name: [{side name: report} for each round]}"""
        plan = list(turns(chosen, rounds, peers))
        results = {workload.name: [] for workload in chosen}
        for at, (number, workload, place, side) in enumerate(plan):
            start = time.monotonic()
            of_rounds = results[workload.name]
            while len(of_rounds) <= place:
                of_rounds.append({})
            try:
                report = self._run_side(workload, side)
            except MeasureError as error:
                # What the others have taken minutes for is not lost with it.
                print(f"FAILED: {error}", file=self._log, flush=True)
                self.failed.append(str(error))
                continue
            self._seconds[workload.name, side.name] = time.monotonic() - start
            of_rounds[place][side.name] = report
            self._tell(number, rounds, workload, side, report, plan[at + 1:])
        return results

    def _scaled(self, count, side):
        return max(1, int(count * side.share * self._scale / 100))

    def _command(self, workload, side, server):
        options = [*workload.options, *side.options]
        if workload.count:
            options += ["--count", self._scaled(workload.count, side)]
        if workload.warmup >= 0:
            options += ["--warmup", max(0, int(workload.warmup * min(1, self._scale / 100)))]
        program = self._build / "tests/bin" / ("peer_bench" if side.peer else side.program)
        command = [program, "--server", server.address, "--json"]
        if side.peer:
            command += ["--peer", side.peer, "--server-pid", server.pid]
        return [str(word) for word in command + options]

    def _run_side(self, workload, side):
        server = self._servers.renew(side.server) if workload.fresh else self._servers.get(side.server)
        if side.program == "beside_ordered":
            with BesideOrdered(self._build, server):
                return self._report(workload, side, server)
        return self._report(workload, side, server)

    def _report(self, workload, side, server):
        command = self._command(workload, side, server)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise MeasureError(f"{workload.name}, {side.name}: no end after {PATIENCE_SECONDS} s") from None
        try:
            report = json.loads(done.stdout)
        except ValueError:
            raise MeasureError(
                f"{workload.name}, {side.name}: exit code {done.returncode}: {done.stderr.strip()}\n"
                f"{self._servers.failure(side.server) or ''}\n{' '.join(command)}") from None
        if done.returncode != 0:
            wrong = {key: report[key] for key in ("lost", "duplicated", "out_of_order", "changed", "failed") if report[key]}
            print(f"{workload.name}, {side.name}: {wrong}", file=self._log)
            if side.server.startswith("estiba"):
                self.unsound.append(f"{workload.name}, {side.name}: {wrong}")
        return report

    def _tell(self, number, rounds, workload, side, report, left):
        delivered = report["delivered"]["messages_per_second"]
        text = f"{delivered / 1e6:8.3f} M/s"
        if "one_at_a_time" in report["config"] and (report["config"]["one_at_a_time"] or "rate" in report["config"]):
            text = f"p50 {report['latency_us']['p50']:.0f} us, p99 {report['latency_us']['p99']:.0f} us"
        known = list(self._seconds.values())
        usual = sum(known) / len(known)
        seconds = sum(self._seconds.get((w.name, s.name), usual) for _, w, _, s in left)
        print(f"round {number + 1} of {rounds}  {workload.name:<24} {side.name:<14} {text:<28} "
              f"about {seconds / 60:.0f} min left", file=self._log, flush=True)


class BesideOrdered:
    """An ordered subscription with a consumer over every topic, whose filter lets nothing through."""

    def __init__(self, build, server):
        self._estiba = [str(build / "bin/estiba"), "--server", server.address]
        self._consumer = None

    def __enter__(self):
        self._run("subscription", "create", "beside", ">", "--ordered", "--filter", "attributes:other")
        self._consumer = subprocess.Popen([*self._estiba, "sub", ">", "--subscription", "beside"],
                                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __exit__(self, *_):
        self._consumer.terminate()
        self._consumer.wait()
        self._run("subscription", "delete", "beside")

    def _run(self, *words):
        done = subprocess.run([*self._estiba, *words], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise MeasureError(f"estiba {' '.join(words)}: {done.stderr.strip()}")


def peers_built(build):
    """What peer_bench was built for."""
    done = subprocess.run([str(build / "tests/bin/peer_bench"), "--list"], capture_output=True, text=True, check=False)
    return set(re.findall(r"\S+", done.stdout))
