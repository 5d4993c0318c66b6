// The object store against real servers, and its layout as the published format has it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "bus/base64url.h"
#include "bus/nats_bus_fixture.h"
#include "bus/nats_connection.h"
#include "bus/ordered_reader.h"
#include "runtime/sha256.h"
#include "temp_folder.h"

namespace tunesmith::bus {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string pattern_of(std::size_t size, unsigned seed) {
  std::string bytes(size, '\0');
  for (auto& byte : bytes)
    byte = static_cast<char>((seed = seed * 1'664'525 + 1'013'904'223) >> 24);
  return bytes;
}

class NatsObjectStoreTest : public NatsBusTest {
 protected:
  fs::path write(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }
  std::string read(const fs::path& file) {
    std::ostringstream bytes;
    bytes << std::ifstream(file, std::ios::binary).rdbuf();
    return bytes.str();
  }
  std::vector<StoredMessage> messages(Connection& connection, const std::string& filter) {
    OrderedReader reader(dynamic_cast<NatsConnection&>(connection).client(),
                         {.stream = "OBJ_ws-1", .filter = filter});
    std::vector<StoredMessage> all;
    while (true) {
      auto next = reader.next(false, {});
      if (!next) throw std::runtime_error(next.error().message);
      if (!*next) return all;
      all.push_back(std::move(**next));
    }
  }

  testing_support::TempFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

// A server that is full to the brim refuses events and status too: nobody could say why all waits.
TEST_P(NatsObjectStoreTest, LeavesTheLastTenthOfTheServerFree) {
  auto ample = ready();
  ASSERT_TRUE(ample->objects().create_bucket("ws-1", 0));
  ASSERT_TRUE(ample->objects().create_bucket("ws-2", 0));
  ASSERT_TRUE(ample->objects().put_file("ws-2", "a", write("a", pattern_of(700'000, 1)), {}));
  auto small = Connection::open(
      {.url = server_.url(), .name = "test", .store_limit_bytes = 1'000'000}, log_, {});
  ASSERT_TRUE(small);
  const auto refused =
      (*small)->objects().put_file("ws-1", "b", write("b", pattern_of(300'000, 2)), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "StorageFull");
  EXPECT_EQ(refused.error().failure_class, FailureClass::kTransient);
  ASSERT_TRUE((*small)->objects().delete_bucket("ws-2"));
  EXPECT_TRUE((*small)->objects().put_file("ws-1", "b", folder_ / "b", {}));
}

// Checkpoints come and go for days: what was removed must not fill the server.
TEST_P(NatsObjectStoreTest, WhatIsRemovedNoLongerCounts) {
  auto ample = ready();
  auto connection = Connection::open(
      {.url = server_.url(), .name = "test", .store_limit_bytes = 1'000'000}, log_, {});
  ASSERT_TRUE(connection);
  ObjectStore& store = (*connection)->objects();
  ASSERT_TRUE(store.create_bucket("ws-1", 0));
  for (unsigned round = 0; round < 5; ++round) {
    const auto file = write("in", pattern_of(400'000, round));
    const auto put = store.put_file("ws-1", "c" + std::to_string(round), file, {});
    ASSERT_TRUE(put) << round << ": " << put.error().message;
    ASSERT_TRUE(store.remove("ws-1", "c" + std::to_string(round)));
  }
}

TEST_P(NatsObjectStoreTest, ReturnsWhatItWasGiven) {
  auto connection = ready();
  ObjectStore& store = connection->objects();
  ASSERT_TRUE(store.create_bucket("ws-1", 0));
  ASSERT_TRUE(store.create_bucket("ws-1", 0));
  for (const std::size_t size : {0u, 1u, 131'072u, 131'073u, 3'000'000u}) {
    const std::string bytes = pattern_of(size, 7);
    const auto put = store.put_file("ws-1", "a/b c", write("in", bytes), {});
    ASSERT_TRUE(put) << put.error().message;
    EXPECT_EQ(put->size_bytes, size);
    EXPECT_EQ(put->sha256, sha256_hex(bytes));
    const auto got = store.get_file("ws-1", "a/b c", folder_ / "out", {});
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->sha256, put->sha256);
    EXPECT_EQ(read(folder_ / "out"), bytes);
  }
  EXPECT_THAT(store.list("ws-1").value(), SizeIs(1));
  EXPECT_THAT(store.buckets().value(), ElementsAre("ws-1"));
}

TEST_P(NatsObjectStoreTest, WritesThePublishedLayout) {
  auto connection = ready();
  ObjectStore& store = connection->objects();
  ASSERT_TRUE(store.create_bucket("ws-1", 0));
  const std::string bytes = pattern_of(300'000, 3);
  ASSERT_TRUE(store.put_file("ws-1", "checkpoint/k/10", write("in", bytes), {}));
  const auto metas = messages(*connection, "$O.ws-1.M.>");
  ASSERT_THAT(metas, SizeIs(1));
  const Message& meta = metas[0].message;
  EXPECT_EQ(meta.subject, "$O.ws-1.M." + to_base64url("checkpoint/k/10"));
  EXPECT_EQ(meta.header("Nats-Rollup"), "sub");
  const auto json = nlohmann::json::parse(meta.data);
  EXPECT_EQ(json.at("name"), "checkpoint/k/10");
  EXPECT_EQ(json.at("bucket"), "ws-1");
  EXPECT_EQ(json.at("size"), 300'000);
  EXPECT_EQ(json.at("chunks"), 3);
  EXPECT_EQ(json.at("options").at("max_chunk_size"), 131'072);
  EXPECT_EQ(json.at("digest"), "SHA-256=" + to_base64url(from_hex(sha256_hex(bytes))));
  const auto chunks = messages(*connection, "$O.ws-1.C." + json.at("nuid").get<std::string>());
  ASSERT_THAT(chunks, SizeIs(3));
  std::string joined;
  for (const auto& chunk : chunks) joined += chunk.message.data;
  EXPECT_EQ(joined, bytes);
  EXPECT_EQ(chunks[0].message.data.size(), 131'072u);
}

TEST_P(NatsObjectStoreTest, ReplacingAndRemovingLeaveNoChunks) {
  auto connection = ready();
  ObjectStore& store = connection->objects();
  ASSERT_TRUE(store.create_bucket("ws-1", 0));
  ASSERT_TRUE(store.put_file("ws-1", "a", write("in", pattern_of(300'000, 1)), {}));
  const std::string second = pattern_of(200'000, 2);
  ASSERT_TRUE(store.put_file("ws-1", "a", write("in", second), {}));
  EXPECT_THAT(messages(*connection, "$O.ws-1.C.>"), SizeIs(2));
  ASSERT_TRUE(store.get_file("ws-1", "a", folder_ / "out", {}));
  EXPECT_EQ(read(folder_ / "out"), second);
  ASSERT_TRUE(store.remove("ws-1", "a"));
  ASSERT_TRUE(store.remove("ws-1", "a"));
  EXPECT_THAT(messages(*connection, "$O.ws-1.C.>"), IsEmpty());
  EXPECT_FALSE(store.info("ws-1", "a").value());
  EXPECT_THAT(store.list("ws-1").value(), IsEmpty());
  EXPECT_EQ(store.get_file("ws-1", "a", folder_ / "out", {}).error().reason, "ObjectMissing");
}

TEST_P(NatsObjectStoreTest, APutSweepsWhatKilledOnesLeft) {
  auto connection = ready();
  ASSERT_TRUE(connection->objects().create_bucket("ws-1", 0));
  NatsClient& client = dynamic_cast<NatsConnection&>(*connection).client();
  // As far as a put comes that is killed: chunks, and no meta.
  ASSERT_TRUE(client.store("$O.ws-1.C.killed", pattern_of(1'000, 1), {}, {}));
  const auto file = write("in", pattern_of(2'000, 2));
  ASSERT_TRUE(connection->objects().put_file("ws-1", "a", file, {}));
  EXPECT_THAT(messages(*connection, "$O.ws-1.C.killed"), SizeIs(1)) << "it may still be going on";
  NatsObjectStore impatient(client, 1, 0, std::chrono::milliseconds(0));
  ASSERT_TRUE(impatient.put_file("ws-1", "b", file, {}));
  EXPECT_THAT(messages(*connection, "$O.ws-1.C.killed"), IsEmpty());
  for (const char* name : {"a", "b"}) {
    EXPECT_TRUE(impatient.get_file("ws-1", name, folder_ / "out", {})) << name;
  }
}

TEST_P(NatsObjectStoreTest, NoticesWhatIsNotTheObjectAnyMore) {
  auto connection = ready();
  ObjectStore& store = connection->objects();
  NatsClient& client = dynamic_cast<NatsConnection&>(*connection).client();
  ASSERT_TRUE(store.create_bucket("ws-1", 0));
  ASSERT_TRUE(store.put_file("ws-1", "a", write("in", pattern_of(300'000, 1)), {}));
  write("out", "what was there before");
  const auto chunks = messages(*connection, "$O.ws-1.C.>");
  ASSERT_EQ(js_DeleteMsg(client.jetstream(), "OBJ_ws-1", chunks[1].sequence, nullptr, nullptr),
            NATS_OK);
  EXPECT_EQ(store.get_file("ws-1", "a", folder_ / "out", {}).error().reason, "ObjectCorrupt");
  // Same size, other bytes.
  ASSERT_TRUE(store.put_file("ws-1", "b", write("in", "abc"), {}));
  const auto metas = messages(*connection, "$O.ws-1.M." + to_base64url("b"));
  auto json = nlohmann::json::parse(metas.at(0).message.data);
  json["digest"] = "SHA-256=" + to_base64url(from_hex(sha256_hex("abd")));
  ASSERT_TRUE(
      client.store("$O.ws-1.M." + to_base64url("b"), json.dump(), {{"Nats-Rollup", "sub"}}, {}));
  EXPECT_EQ(store.get_file("ws-1", "b", folder_ / "out", {}).error().reason, "ObjectCorrupt");
  EXPECT_EQ(read(folder_ / "out"), "what was there before");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 2);  // no partial file is left
}

TEST_P(NatsObjectStoreTest, AFullBucketKeepsTheOldObject) {
  auto connection = ready();
  ObjectStore& store = connection->objects();
  ASSERT_TRUE(store.create_bucket("ws-1", 1u << 20));
  const std::string bytes = pattern_of(400'000, 1);
  ASSERT_TRUE(store.put_file("ws-1", "a", write("in", bytes), {}));
  const auto full = store.put_file("ws-1", "a", write("in2", pattern_of(2'000'000, 2)), {});
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().reason, "StorageFull");
  ASSERT_TRUE(store.get_file("ws-1", "a", folder_ / "out", {}));
  EXPECT_EQ(read(folder_ / "out"), bytes);
  EXPECT_THAT(messages(*connection, "$O.ws-1.C.>"), SizeIs(4));  // those of the old object
}

TEST_P(NatsObjectStoreTest, AStopLeavesNothingBehind) {
  auto connection = ready();
  ObjectStore& store = connection->objects();
  ASSERT_TRUE(store.create_bucket("ws-1", 0));
  std::stop_source stop;
  stop.request_stop();
  const auto file = write("in", pattern_of(300'000, 1));
  EXPECT_EQ(store.put_file("ws-1", "a", file, stop.get_token()).error().reason, "Stopped");
  EXPECT_THAT(messages(*connection, "$O.ws-1.>"), IsEmpty());
  ASSERT_TRUE(store.put_file("ws-1", "a", file, {}));
  EXPECT_EQ(store.get_file("ws-1", "a", folder_ / "out", stop.get_token()).error().reason,
            "Stopped");
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_P(NatsObjectStoreTest, AStoppingConnectionGivesNoPartOfAListAsTheWhole) {
  auto connection = ready();
  ASSERT_TRUE(connection->objects().create_bucket("ws-1", 0));
  ASSERT_TRUE(connection->objects().put_file("ws-1", "a", write("in", "x"), {}));
  std::stop_source stop;
  auto stopping =
      Connection::open({.url = server_.url(), .name = "stopping"}, log_, stop.get_token());
  ASSERT_TRUE(stopping);
  EXPECT_THAT((*stopping)->objects().list("ws-1").value(), SizeIs(1));
  stop.request_stop();
  const auto list = (*stopping)->objects().list("ws-1");
  ASSERT_FALSE(list.has_value());
  EXPECT_EQ(list.error().reason, "Stopped");
  EXPECT_EQ(list.error().failure_class, FailureClass::kTransient);
}

TEST_P(NatsObjectStoreTest, NamesWhatItCannotReadOrWrite) {
  auto connection = ready();
  ObjectStore& store = connection->objects();
  EXPECT_EQ(store.create_bucket("ws 1.>", 0).error().reason, "BucketInvalid");
  ASSERT_TRUE(store.create_bucket("ws-1", 0));
  EXPECT_EQ(store.put_file("ws-1", "a", folder_ / "none", {}).error().reason, "FileUnreadable");
  ASSERT_TRUE(store.put_file("ws-1", "a", write("in", "x"), {}));
  EXPECT_EQ(store.get_file("ws-1", "a", folder_ / "no/folder", {}).error().reason,
            "FileUnwritable");
}

TEST_P(NatsObjectStoreTest, DeletedBucketsAreGone) {
  auto connection = ready();
  ObjectStore& store = connection->objects();
  ASSERT_TRUE(store.create_bucket("ws-1", 0));
  ASSERT_TRUE(store.put_file("ws-1", "a", write("in", "x"), {}));
  ASSERT_TRUE(store.delete_bucket("ws-1"));
  ASSERT_TRUE(store.delete_bucket("ws-1"));
  EXPECT_THAT(store.buckets().value(), IsEmpty());
  EXPECT_FALSE(store.info("ws-1", "a").value());
  EXPECT_THAT(store.list("ws-1").value(), IsEmpty());
}

TEST_P(NatsObjectStoreTest, StoringOutlastsARestart) {
  auto connection = ready();
  ObjectStore& store = connection->objects();
  ASSERT_TRUE(store.create_bucket("ws-1", 0));
  const std::string bytes = pattern_of(8'000'000, 5);
  const auto file = write("in", bytes);
  std::thread killer([&] {
    server_.kill_hard();
    server_.start();
  });
  const auto put = store.put_file("ws-1", "a", file, {});
  killer.join();
  ASSERT_TRUE(put) << put.error().message;
  ASSERT_TRUE(store.get_file("ws-1", "a", folder_ / "out", {}));
  EXPECT_EQ(read(folder_ / "out"), bytes);
}

INSTANTIATE_TEST_SUITE_P(Servers, NatsObjectStoreTest,
                         ::testing::ValuesIn(testing::nats_binaries()), binary_name);

}  // namespace
}  // namespace tunesmith::bus
