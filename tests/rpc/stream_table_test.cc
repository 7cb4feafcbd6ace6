#include "broker/rpc/stream_table.h"

#include <string>
#include <vector>

#include "broker/rpc/call.h"
#include "tests/support/catch.h"

namespace estiba::testing {
namespace {

class RecordingHandler final : public CallHandler {
 public:
  void OnStart() override {}
  void OnRead(grpc::ByteBuffer*) override {}
  void OnWritten(bool) override {}
  void OnClosed(bool) override {}
  void End(const absl::Status& status) override { ends.push_back(status); }

  std::vector<absl::Status> ends;
};

struct Stream {
  boost::intrusive_ptr<RecordingHandler> handler{new RecordingHandler};
  StreamActivity activity;
  uint64_t id = 0;

  absl::Status Open(StreamTable& table, const std::string& client_name,
                    const std::string& method = "Subscribe") {
    StreamInfo info;
    info.client_name = client_name;
    info.peer = "ipv4:127.0.0.1:1";
    info.method = method;
    info.open_time_ms = 123;
    return table.TryAdd(info, handler.get(), &activity, &id);
  }
};

TEST_CASE("Streams get rising ids and are listed in their order, in pages, by client") {
  StreamTable table(100);
  Stream streams[6];
  for (int i = 0; i < 6; ++i) {
    REQUIRE(streams[i].Open(table, i % 2 == 0 ? "even" : "odd").ok());
    if (i > 0) CHECK(streams[i].id > streams[i - 1].id);
  }
  table.Remove(streams[2].id);
  const auto ids = [&](const std::string& client, uint64_t after, size_t limit) {
    std::vector<uint64_t> found;
    for (const StreamInfo& info : table.List(client, after, limit)) found.push_back(info.id);
    return found;
  };
  using Ids = std::vector<uint64_t>;
  CHECK(ids("", 0, 2) == Ids{streams[0].id, streams[1].id});
  CHECK(ids("", streams[1].id, 2) == Ids{streams[3].id, streams[4].id});
  CHECK(ids("", streams[4].id, 2) == Ids{streams[5].id});
  CHECK(ids("even", 0, 10) == Ids{streams[0].id, streams[4].id});
  CHECK(ids("nobody", 0, 10).empty());
}

TEST_CASE("A stream is shown with what it did so far") {
  StreamTable table(1);
  Stream stream;
  REQUIRE(stream.Open(table, "", "Publish").ok());
  stream.activity.SetNames("orders", "billing");
  stream.activity.Count(3, 100);
  stream.activity.Count(4, 200);
  const std::vector<StreamInfo> list = table.List("", 0, 10);
  REQUIRE(list.size() == 1);
  CHECK(list[0].client_name == "ipv4:127.0.0.1:1");  // who does not say goes by the peer's address
  CHECK(list[0].method == "Publish");
  CHECK(list[0].open_time_ms == 123);
  CHECK(list[0].topic == "orders");
  CHECK(list[0].subscription == "billing");
  CHECK(list[0].messages == 7);
  CHECK(list[0].bytes == 300);
  CHECK(table.Count("Publish") == 1);
  CHECK(table.Count("Subscribe") == 0);
}

TEST_CASE("A full table refuses the next stream until one has gone") {
  StreamTable table(2);
  Stream streams[3];
  REQUIRE(streams[0].Open(table, "a").ok());
  REQUIRE(streams[1].Open(table, "a").ok());
  const absl::Status full = streams[2].Open(table, "a");
  CHECK(full.code() == absl::StatusCode::kResourceExhausted);
  CHECK_THAT(std::string(full.message()), HasText("max-streams"));
  CHECK(streams[2].id == 0);
  table.Remove(streams[0].id);
  CHECK(streams[2].Open(table, "a").ok());
}

TEST_CASE("A client's name has 255 printable ASCII characters at most") {
  StreamTable table(10);
  Stream streams[4];
  CHECK(streams[0].Open(table, std::string(255, '~')).ok());
  const absl::Status long_name = streams[1].Open(table, std::string(256, 'n'));
  CHECK(long_name.message() == "estiba-client-name: 256 characters: at most 255");
  CHECK(streams[2].Open(table, "a\nb").code() == absl::StatusCode::kInvalidArgument);
  CHECK(streams[3].Open(table, "\xc3\xa4").code() == absl::StatusCode::kInvalidArgument);
  CHECK(table.List("", 0, 10).size() == 1);
}

TEST_CASE("Streams are ended by client, by id, or all, with the status given") {
  StreamTable table(10);
  Stream streams[4];
  for (int i = 0; i < 4; ++i) REQUIRE(streams[i].Open(table, i < 2 ? "a" : "b").ok());
  CHECK(table.EndByClient("a", absl::AbortedError("x")) == 2);
  CHECK(table.EndByClient("c", absl::AbortedError("x")) == 0);
  CHECK(table.EndById(streams[2].id, absl::AbortedError("y")) == 1);
  CHECK(table.EndById(999, absl::AbortedError("y")) == 0);
  REQUIRE(streams[0].handler->ends.size() == 1);
  CHECK(streams[0].handler->ends[0] == absl::AbortedError("x"));
  CHECK(streams[1].handler->ends.size() == 1);
  REQUIRE(streams[2].handler->ends.size() == 1);
  CHECK(streams[2].handler->ends[0] == absl::AbortedError("y"));
  CHECK(streams[3].handler->ends.empty());
  CHECK(table.EndAll(absl::UnavailableError("z")) == 4);
  CHECK(streams[3].handler->ends.size() == 1);
}

}  // namespace
}  // namespace estiba::testing
