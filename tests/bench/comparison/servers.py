"""The servers of a comparison: started on the loopback, on ports of their own, ended with this process."""

import ctypes
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

START_SECONDS = 20
# Where Debian keeps daemons, which not every PATH has.
SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"


class ServerError(Exception):
    """A server could not be started."""


def find_program(name):
    path = shutil.which(name, path=SEARCH)
    if path is None:
        raise ServerError(f"{name} is not installed")
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _die_with_parent():
    # PR_SET_PDEATHSIG: whatever ends this script ends the servers.
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Server:
    """One server. `address` is what its clients are told."""

    def __init__(self, name, work, command, port=None, listening=None, scheme=""):
        """Waits until it listens: on `port`, or, where the kernel gives it one, on the port that the
        pattern `listening` finds in its output."""
        self.name = name
        self._log = work / f"{name}.log"
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, cwd=work, start_new_session=True, preexec_fn=_die_with_parent)
        self.pid = self._process.pid
        try:
            self.port = port if port is not None else self._port_in_log(listening)
            self._await_port()
        except ServerError:
            self.stop()
            raise
        self.address = f"{scheme}127.0.0.1:{self.port}"

    def _wait(self, ready):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            found = ready()
            if found:
                return found
            time.sleep(0.02)
        raise ServerError(f"{self.name} did not start:\n{self.log_tail()}")

    def _port_in_log(self, pattern):
        def look():
            match = re.search(pattern, self._log.read_text(errors="replace"))
            return int(match.group(1)) if match else None
        return self._wait(look)

    def _await_port(self):
        def look():
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return True
            except OSError:
                return False
        self._wait(look)

    def alive(self):
        return self._process.poll() is None

    def log_tail(self):
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()


class Servers:
    """All of them, each started when it is first asked for."""

    def __init__(self, build, work):
        self._build = pathlib.Path(build)
        self._work = work
        self._running = {}

    def get(self, name):
        if name not in self._running or not self._running[name].alive():
            self._running[name] = self._start(name)
        return self._running[name]

    def renew(self, name):
        """A new one, whose memory holds nothing of what was before."""
        if name in self._running:
            self._running.pop(name).stop()
        return self.get(name)

    def _start(self, name):
        return getattr(self, "_start_" + name.replace("-", "_"))()

    def failure(self, name):
        """What a server that has ended by itself said last, or nothing."""
        server = self._running.get(name)
        return None if server is None or server.alive() else f"{name} has ended:\n{server.log_tail()}"

    def stop(self):
        for server in self._running.values():
            server.stop()
        self._running = {}

    def _estibad(self, name, *options):
        return Server(name, self._work,
                      [self._build / "bin/estibad", "--listen-address", "127.0.0.1", "--port", "0", *options],
                      listening=r"Server started, listening on [^\n]*?(\d+)(?:\"|\s|$)")

    def _start_estiba(self):
        return self._estibad("estiba")

    def _start_estiba_small(self):
        # To be full soon.
        return self._estibad("estiba-small", "--memory-budget", "256MiB")

    def _start_estiba_reserved(self):
        return self._estibad("estiba-reserved", "--memory-reserve", "1GiB")

    def _relay(self, name, threads):
        return Server(name, self._work, [self._build / "tests/bin/relay", "--threads", threads],
                      listening=r"listening on port (\d+)")

    def _start_relay(self):
        return self._relay("relay", max(1, (os.cpu_count() or 1) // 2))

    def _start_relay_threads(self):
        # Better where every message is a frame of its own.
        return self._relay("relay-threads", max(2, os.cpu_count() or 1))

    def _nats_server(self, name, more):
        port = free_port()
        config = self._work / f"{name}.conf"
        config.write_text(f"listen: 127.0.0.1:{port}\n{more}")
        return Server(name, self._work, [find_program("nats-server"), "-c", config], port=port,
                      scheme="nats://")

    def _start_nats(self):
        return self._nats_server("nats", "")

    def _start_jetstream(self):
        # Streams are in memory; the folder is for what it knows about them.
        return self._nats_server(
            "jetstream",
            f'jetstream {{ store_dir: "{self._work}/jetstream", max_memory_store: 8GB }}\n')

    def _start_redis(self):
        port = free_port()
        # Nothing on disk; and a subscriber may be as far behind as the publishers' window lets it.
        return Server("redis", self._work,
                      [find_program("redis-server"), "--bind", "127.0.0.1", "--port", port, "--save", "",
                       "--appendonly", "no", "--client-output-buffer-limit", "pubsub 0 0 0"], port=port)

    def _start_mosquitto(self):
        port = free_port()
        config = self._work / "mosquitto.conf"
        # No limits on what waits for a subscriber: the publishers' window bounds it.
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\n"
                          "max_queued_messages 0\nset_tcp_nodelay true\n")
        return Server("mosquitto", self._work, [find_program("mosquitto"), "-c", config], port=port)
