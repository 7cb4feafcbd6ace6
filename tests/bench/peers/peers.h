// The peers, one file each. Those whose library is not installed are not built.
#ifndef TESTS_BENCH_PEERS_PEERS_H_
#define TESTS_BENCH_PEERS_PEERS_H_

#include <memory>

#include "tests/bench/peer.h"

namespace estiba::bench {

std::unique_ptr<Peer> MakeEstibaPeer(const PeerSettings& settings);
std::unique_ptr<Peer> MakeEstibaStreamPeer(const PeerSettings& settings);
std::unique_ptr<Peer> MakeRelayPeer(const PeerSettings& settings);
std::unique_ptr<Peer> MakeNatsPeer(const PeerSettings& settings);
std::unique_ptr<Peer> MakeJetStreamPeer(const PeerSettings& settings);
std::unique_ptr<Peer> MakeRedisPubSubPeer(const PeerSettings& settings);
std::unique_ptr<Peer> MakeRedisStreamsPeer(const PeerSettings& settings);
std::unique_ptr<Peer> MakeMosquittoPeer(const PeerSettings& settings);

}  // namespace estiba::bench

#endif  // TESTS_BENCH_PEERS_PEERS_H_
