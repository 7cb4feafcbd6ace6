#include "tests/bench/peers/peers.h"

#include "absl/strings/str_cat.h"

namespace estiba::bench {
namespace {

struct Entry {
  const char* name;
  std::unique_ptr<Peer> (*make)(const PeerSettings&);
  bool acks;   // answers publishes, and takes acks
  bool keeps;  // for subscribers that come later
  bool topics;
};

constexpr Entry kPeers[] = {
    {"estiba", &MakeEstibaPeer, true, true, true},
    {"estiba-stream", &MakeEstibaStreamPeer, true, true, true},
    {"relay", &MakeRelayPeer, false, false, false},
#ifdef ESTIBA_BENCH_NATS
    {"nats", &MakeNatsPeer, false, false, true},
    {"jetstream", &MakeJetStreamPeer, true, true, true},
#else
    {"nats", nullptr, false, false, true},
    {"jetstream", nullptr, true, true, true},
#endif
#ifdef ESTIBA_BENCH_REDIS
    {"redis-pubsub", &MakeRedisPubSubPeer, false, false, true},
    {"redis-streams", &MakeRedisStreamsPeer, true, true, true},
#else
    {"redis-pubsub", nullptr, false, false, true},
    {"redis-streams", nullptr, true, true, true},
#endif
#ifdef ESTIBA_BENCH_MOSQUITTO
    {"mosquitto", &MakeMosquittoPeer, true, false, true},
#else
    {"mosquitto", nullptr, true, false, true},
#endif
};

}  // namespace

absl::StatusOr<std::unique_ptr<Peer>> MakePeer(const std::string& name,
                                               const PeerSettings& settings) {
  for (const Entry& entry : kPeers) {
    if (entry.name != name) continue;
    if (entry.make == nullptr) {
      return absl::UnimplementedError(absl::StrCat(name, "'s library was not there to build with"));
    }
    if (settings.acked && !entry.acks) {
      return absl::InvalidArgumentError(absl::StrCat(name, " knows no acks"));
    }
    if (settings.keep && !entry.keeps) {
      return absl::InvalidArgumentError(absl::StrCat(name, " keeps nothing"));
    }
    if (settings.idle() && entry.make != &MakeEstibaPeer && entry.make != &MakeEstibaStreamPeer) {
      return absl::InvalidArgumentError(absl::StrCat(name, " is not asked to idle"));
    }
    if (settings.topics.size() > 1 && !entry.topics) {
      return absl::InvalidArgumentError(absl::StrCat(name, " has one topic"));
    }
    return entry.make(settings);
  }
  return absl::InvalidArgumentError(absl::StrCat("no peer '", name, "'"));
}

std::vector<std::string> PeerNames() {
  std::vector<std::string> names;
  for (const Entry& entry : kPeers) names.emplace_back(entry.name);
  return names;
}

bool PeerIsBuilt(const std::string& name) {
  for (const Entry& entry : kPeers) {
    if (entry.name == name) return entry.make != nullptr;
  }
  return false;
}

}  // namespace estiba::bench
