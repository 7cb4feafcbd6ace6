"""What a record says of the machine, the tree and the versions."""

import datetime
import os
import pathlib
import platform
import re
import subprocess

from comparison import servers

CLIENTS = {"libnats": "libnats", "hiredis": "hiredis", "libmosquitto": "libmosquitto", "grpc": "grpc++"}


def first_line(*command):
    try:
        out = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    # Some say their version on standard error, or with an exit code of their own.
    return ((out.stdout or out.stderr).splitlines() or [""])[0].strip()


def _field(path, pattern):
    try:
        match = re.search(pattern, pathlib.Path(path).read_text(errors="replace"), re.MULTILINE)
    except OSError:
        return ""
    return match.group(1).strip().strip('"') if match else ""


def _program(name):
    try:
        return servers.find_program(name)
    except servers.ServerError:
        return name


def _redis_version():
    match = re.search(r"v=(\S+)", first_line(_program("redis-server"), "--version"))
    return match.group(1) if match else ""


def _mosquitto_version():
    match = re.search(r"version (\S+)", first_line(_program("mosquitto"), "-h"))
    return match.group(1) if match else ""


def describe(root, build, command, load):
    commit = subprocess.run(["git", "-C", str(root), "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True,
                            check=False)
    cache = pathlib.Path(build) / "CMakeCache.txt"
    changed = subprocess.run(
        ["git", "-C", str(root), "status", "--porcelain", "--", "broker", "client", "proto", "CMakeLists.txt",
         "CMakePresets.json", "tests/bench", ":!tests/bench/results", ":!tests/bench/plots", ":!tests/bench/README.md"],
        capture_output=True, text=True, check=False).stdout
    memory = int(_field("/proc/meminfo", r"^MemTotal:\s+(\d+)") or 0)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": command,
        "commit": commit.stdout.strip() or "unknown",
        "uncommitted_changes": bool(changed.strip()),
        "cpu": _field("/proc/cpuinfo", r"^model name[^:]*: (.*)$"),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 1048576),
        "system": _field("/etc/os-release", r"^PRETTY_NAME=(.*)$"),
        "kernel": f"{platform.system()} {platform.release()}",
        "load_average_before": load,
        "compiler": first_line(_field(cache, r"^CMAKE_CXX_COMPILER:[A-Z]*=(.*)$") or "c++", "--version"),
        "flags": _field(cache, r"^CMAKE_CXX_FLAGS_RELEASE:[A-Z]*=(.*)$"),
        "nats_server": first_line(_program("nats-server"), "--version").replace("nats-server: ", ""),
        "redis": _redis_version(),
        "mosquitto": _mosquitto_version(),
        **{name: first_line("pkg-config", "--modversion", package) for name, package in CLIENTS.items()},
    }


def load_average():
    return " ".join(pathlib.Path("/proc/loadavg").read_text().split()[:3])
