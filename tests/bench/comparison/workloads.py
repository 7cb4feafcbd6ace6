"""What is measured: each workload with its sides, each side a program with its options and a server."""

import dataclasses

# What a message of the backlog takes encoded, as a field of a batch: tag, length, tag, length, 100 bytes.
BACKLOG_PAYLOAD = 100
BACKLOG_ENCODED = 104


@dataclasses.dataclass(frozen=True)
class Side:
    """One of those that take turns. `share` of the messages, where a whole run would take too long."""
    name: str
    server: str
    peer: str = ""           # for peer_bench; empty: another program
    program: str = "peer_bench"
    options: tuple = ()
    share: float = 1.0


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    title: str
    figure: str              # see figures.py
    sides: tuple
    options: tuple = ()
    count: int = 0
    warmup: int = -1         # messages; -1: the program's own
    once: bool = False       # long: only in the first round
    fresh: bool = False      # each run with a server just started, which has no memory at hand from the run before
    also: tuple = ()         # further figures worth a line of the table


def estiba(*options, name="estiba", peer="estiba", server="estiba", share=1.0):
    return Side(name, server, peer, options=options, share=share)


def relay(*options, server="relay"):
    return Side("relay", server, "relay", options=options)


def nats(share=1.0):
    return Side("nats", "nats", "nats", share=share)


def redis(share=1.0):
    return Side("redis-pubsub", "redis", "redis-pubsub", share=share)


def mosquitto(share=1.0):
    return Side("mosquitto", "mosquitto", "mosquitto", share=share)


def jetstream(share=1.0):
    return Side("jetstream", "jetstream", "jetstream", share=share)


def redis_streams(share=1.0):
    return Side("redis-streams", "redis", "redis-streams", share=share)


def stuck(name, number, server="estiba", *options):
    return Side(name, server, program="stuck_consumer_bench", options=("--stuck", number, *options))


def many_topics(server="estiba"):
    return (estiba("--topics", 10_000, name="with", peer="estiba-stream", server=server),
            estiba(name="without", peer="estiba-stream", server=server))


def _rate(name, rate):
    return Workload(
        f"open-loop-{name}", f"128 bytes, {rate:,} messages/s whether or not the server keeps up: p99 from due to delivered",
        "p99", (estiba(), relay(), nats(), redis(), mosquitto()), ("--size", 128, "--rate", rate), count=2 * rate,
        also=("p50",))


WORKLOADS = (
    Workload("batches-16", "16 bytes, 1 publisher, 1 subscriber", "throughput",
             (estiba(), relay(), nats(), redis(0.5), mosquitto(0.05)), ("--size", 16), 4_000_000),
    Workload("batches-128", "128 bytes, 1 publisher, 1 subscriber", "throughput",
             (estiba(), relay(), nats(), redis(0.5), mosquitto(0.05)), ("--size", 128), 4_000_000),
    Workload("batches-1024", "1 KiB, 1 publisher, 1 subscriber", "throughput",
             (estiba(), relay(), nats(), redis(), mosquitto(0.1)), ("--size", 1024), 1_000_000),
    Workload("batches-65536", "64 KiB, 1 publisher, 1 subscriber", "throughput",
             (estiba(), relay(), nats(), redis(), mosquitto()), ("--size", 65536), 10_000, warmup=500),
    Workload("frames-8k", "128 bytes, 1 publisher, 1 subscriber, frames of 8 KiB", "throughput",
             (estiba(), relay()), ("--size", 128, "--batch-bytes", 8192), 2_000_000),
    Workload("acked", "128 bytes, acked publishes, explicit acks on a named subscription", "throughput",
             (estiba(), jetstream(0.25), redis_streams(0.5), mosquitto(0.05)),
             ("--size", 128, "--ack", "explicit"), 1_000_000),
    Workload("fan-out-8", "128 bytes, 1 publisher, 8 subscribers (deliveries)", "throughput",
             (estiba(), relay(), nats(0.5), redis(0.25), mosquitto(0.02)),
             ("--size", 128, "--subscribers", 8), 1_000_000),
    Workload("fan-in-8", "128 bytes, 8 publishers, 1 subscriber", "throughput",
             (estiba(), relay(), nats(0.5), redis(0.5), mosquitto(0.05)),
             ("--size", 128, "--publishers", 8), 4_000_000),
    Workload("topics-64", "128 bytes, 8 publishers, 8 subscribers, 64 topics", "throughput",
             (estiba(), nats(0.5), redis(0.5), mosquitto(0.05)),
             ("--size", 128, "--publishers", 8, "--subscribers", 8, "--topics", 64), 3_000_000),
    Workload("one-at-a-time", "128 bytes, one at a time: publish to delivery, p50", "p50",
             (estiba(), relay(), nats(), redis(), mosquitto()), ("--size", 128, "--one-at-a-time"), 20_000,
             also=("p99",)),
    _rate("1k", 1_000),
    _rate("20k", 20_000),
    _rate("100k", 100_000),
    Workload("single-messages", "128 bytes, each message a batch of its own, pipelined on one stream", "throughput",
             (estiba(), relay(server="relay-threads")), ("--size", 128, "--batch", 1), 100_000, warmup=10_000),
    Workload("topics-10000", "128 bytes in batches of 64, over 10,000 topics on one stream / to 1 topic: processor time of "
             "the server for each message published", "cpu_filling",
             many_topics(), ("--size", 128, "--batch", 64, "--backlog"), 3_000_000, warmup=1_280_000, fresh=True,
             also=("publish_rate",)),
    Workload("topics-10000-reserved", "the same with --memory-reserve=1GiB", "cpu_filling",
             many_topics("estiba-reserved"), ("--size", 128, "--batch", 64, "--backlog"), 3_000_000,
             warmup=1_280_000, fresh=True, also=("publish_rate",)),
    Workload("topics-10000-single", "over 10,000 topics / to 1 topic, each message a batch of its own", "cpu_filling",
             many_topics(), ("--size", 128, "--batch", 1, "--backlog"), 400_000, warmup=20_000, fresh=True,
             also=("publish_rate",)),
    Workload("topics-10000-single-reserved", "the same with --memory-reserve=1GiB", "cpu_filling",
             many_topics("estiba-reserved"), ("--size", 128, "--batch", 1, "--backlog"), 400_000, warmup=20_000,
             fresh=True, also=("publish_rate",)),
    Workload("idle-subscriptions", "128 bytes, beside 10,000 idle subscriptions of other topics / without: processor time of "
             "the server for each message", "cpu",
             (estiba("--idle-subscriptions", 10_000, name="with"), estiba(name="without")),
             ("--size", 128), 3_000_000, fresh=True, also=("throughput",)),
    Workload("idle-subscriptions-here", "the same, of the same topic (10,000 / 1, which keep every message)", "cpu",
             (estiba("--idle-subscriptions-here", 10_000, name="with"),
              estiba("--idle-subscriptions-here", 1, name="without")),
             ("--size", 128), 3_000_000, fresh=True, also=("throughput",)),
    Workload("open-streams", "128 bytes, beside 2,000 open streams / without: processor time of the server for each message",
             "cpu", (estiba("--idle-streams", 2_000, name="with"), estiba(name="without")),
             ("--size", 128), 3_000_000, also=("throughput",)),
    Workload("stuck-consumer", "128 bytes, beside a consumer that never reads / without", "throughput",
             (stuck("with", 1), stuck("without", 0)), ("--size", 128), 2_000_000, also=("p99",)),
    Workload("stuck-reserved", "the same with --memory-reserve=1GiB", "throughput",
             (stuck("with", 1, "estiba-reserved"), stuck("without", 0, "estiba-reserved")),
             ("--size", 128), 2_000_000, also=("p99",)),
    Workload("stuck-and-full", "the same when it has filled the budget (256 MiB, drop-oldest)", "throughput",
             (stuck("with", 1, "estiba-small", "--drop-oldest"),
              stuck("without", 0, "estiba-small", "--drop-oldest")),
             ("--size", 128), 2_000_000, warmup=2_500_000, also=("p99",)),
    Workload("beside-ordered", "128 bytes, beside an ordered subscription of the topic whose filter passes nothing / without",
             "throughput", (Side("with", "estiba", "estiba", program="beside_ordered"), estiba(name="without")),
             ("--size", 128), 3_000_000),
    Workload("backlog", "10 million messages of 100 bytes: resident memory of the server for each encoded byte", "memory",
             (estiba(), jetstream(0.25), redis_streams()),
             ("--size", BACKLOG_PAYLOAD, "--ack", "explicit", "--backlog"), 10_000_000, once=True, fresh=True,
             also=("publish_rate", "throughput")),
)

BY_NAME = {workload.name: workload for workload in WORKLOADS}
OURS = {"estiba", "estiba-stream"}
PEERS = ("estiba", "relay", "nats", "jetstream", "redis-pubsub", "redis-streams", "mosquitto")

# What the table says where a peer has no figure.
CANNOT = {
    "relay": "no acks, keeps nothing",
    "nats": "no acks, keeps nothing",
    "jetstream": "measured acked and as a backlog, which is what it is for; there with 2.5 million messages, as 10 million take it "
                 "minutes and several GiB",
    "redis-pubsub": "no acks, keeps nothing",
    "redis-streams": "measured acked and as a backlog; acks do not remove messages",
    "mosquitto": "no batches; keeps messages only for sessions that exist",
}


@dataclasses.dataclass(frozen=True)
class Bar:
    """What is asked for: the median ratio of a workload's figure, Estiba to another side, or the figure itself."""
    number: str
    text: str
    workload: str
    figure: str
    other: str               # side; empty: the figure of Estiba itself
    at_least: float = None
    at_most: float = None


BARS = (
    Bar("1", "1→1, 16 B, ≥ 3 × NATS core", "batches-16", "throughput", "nats", at_least=3),
    Bar("1", "1→1, 128 B, ≥ 3 × NATS core", "batches-128", "throughput", "nats", at_least=3),
    Bar("2", "1→1, 1 KiB, ≥ 1.5 × NATS core", "batches-1024", "throughput", "nats", at_least=1.5),
    Bar("3", "1→8, 128 B, ≥ 3 × NATS core", "fan-out-8", "throughput", "nats", at_least=3),
    Bar("4", "1→1, 128 B, acked, ≥ 10 × JetStream in memory", "acked", "throughput", "jetstream", at_least=10),
    Bar("5", "1→1, 128 B, frames of 64 KiB, ≥ 0.8 × relay", "batches-128", "throughput", "relay", at_least=0.8),
    Bar("5", "1→1, 128 B, frames of 8 KiB, ≥ 0.8 × relay", "frames-8k", "throughput", "relay", at_least=0.8),
    Bar("5", "1→8, 128 B, frames of 64 KiB, ≥ 0.8 × relay", "fan-out-8", "throughput", "relay", at_least=0.8),
    Bar("6", "one at a time, p50 ≤ 0.75 × NATS core", "one-at-a-time", "p50", "nats", at_most=0.75),
    Bar("6", "one at a time, p99 ≤ NATS core", "one-at-a-time", "p99", "nats", at_most=1),
    Bar("7", "open loop, 20,000/s, p99 ≤ NATS core", "open-loop-20k", "p99", "nats", at_most=1),
    Bar("8", "backlog in memory ≤ 1.2 × its encoded bytes", "backlog", "memory", "", at_most=1.2),
    Bar("9", "1 → 10,000 topics, publish cost < +10 %, batches of 64", "topics-10000", "cpu_filling", "without", at_most=1.1),
    Bar("9", "the same, each message a batch of its own", "topics-10000-single", "cpu_filling", "without", at_most=1.1),
    Bar("9", "0 → 10,000 idle subscriptions, cost < +10 %", "idle-subscriptions", "cpu", "without", at_most=1.1),
    Bar("9", "1 → 10,000 idle subscriptions of the topic itself, < +10 %", "idle-subscriptions-here", "cpu", "without",
        at_most=1.1),
    Bar("10", "single messages, pipelined, ≥ 0.8 × relay", "single-messages", "throughput", "relay", at_least=0.8),
)
