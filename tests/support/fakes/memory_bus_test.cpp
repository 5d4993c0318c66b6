#include "fakes/memory_bus.h"

#include <gtest/gtest.h>

#include <thread>

#include "bus/current.h"
#include "tunesmith/events/v1/workspace.pb.h"

namespace tunesmith::fakes {
namespace {

events::v1::WorkspaceObserved observed(std::int64_t generation) {
  events::v1::WorkspaceObserved event;
  event.mutable_workspace()->set_uid("u1");
  event.mutable_workspace()->set_generation(generation);
  return event;
}

TEST(MemoryKeyValue, ComparesAndSets) {
  MemoryKeyValue kv;
  EXPECT_EQ(kv.create("a", "1").value(), 1u);
  EXPECT_EQ(kv.create("a", "2").error().reason, "KeyExists");
  EXPECT_EQ(kv.update("a", "2", 7).error().reason, "RevisionConflict");
  EXPECT_EQ(kv.update("a", "2", 1).value(), 2u);
  EXPECT_TRUE(kv.remove("a"));
  EXPECT_FALSE(kv.get("a").value());
  EXPECT_EQ(kv.create("a", "3").value(), 4u);
  EXPECT_EQ(kv.keys("*").value(), std::vector<std::string>{"a"});
}

TEST(MemoryKeyValue, WatchesFromThePresentOn) {
  MemoryKeyValue kv;
  ASSERT_TRUE(kv.put("spec.a.b", "old"));
  std::vector<std::string> seen;
  std::stop_source stop;
  std::jthread writer;
  ASSERT_TRUE(kv.watch(
      "spec.>",
      [&](const bus::KeyValueEntry& entry) {
        seen.push_back(entry.deleted ? "deleted" : entry.value);
        if (seen.size() == 3) stop.request_stop();
        if (seen.size() == 2) {
          ASSERT_TRUE(kv.remove("spec.a.b"));
        }
      },
      [&] {
        ASSERT_TRUE(kv.put("other", "x"));
        ASSERT_TRUE(kv.put("spec.a.b", "new"));
      },
      stop.get_token()));
  EXPECT_EQ(seen, (std::vector<std::string>{"old", "new", "deleted"}));
}

TEST(MemoryKeyValue, FailsAsPlanned) {
  MemoryKeyValue kv;
  kv.fail_next({FailureClass::kTransient, "BusUnavailable", "planned"});
  EXPECT_EQ(kv.get("a").error().reason, "BusUnavailable");
  EXPECT_TRUE(kv.get("a"));
}

TEST(RecordingPublisher, KeepsARepeatedIdOnce) {
  RecordingPublisher publisher;
  ASSERT_TRUE(publisher.publish(bus::make_event(observed(1))));
  ASSERT_TRUE(publisher.publish(bus::make_event(observed(1))));
  ASSERT_TRUE(publisher.publish(bus::make_event(observed(2))));
  EXPECT_EQ(publisher.all<events::v1::WorkspaceObserved>().size(), 2u);
  EXPECT_EQ(publisher.accepted(), 3u);
  EXPECT_TRUE(publisher.wait_for<events::v1::WorkspaceObserved>(2));
}

TEST(MemoryObjectStore, BoundsAndReplaces) {
  MemoryObjectStore store;
  ASSERT_TRUE(store.create_bucket("ws-1", 0));
  store.put_bytes("ws-1", "adapter", "abc");
  EXPECT_EQ(store.info("ws-1", "adapter").value()->sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  ASSERT_TRUE(store.remove("ws-1", "adapter"));
  EXPECT_FALSE(store.info("ws-1", "adapter").value());
}

TEST(Current, WaitsUntilDeleting) {
  MemoryKeyValue kv;
  ASSERT_TRUE(kv.put("u1", bus::to_json({.generation = 1})));
  std::jthread writer([&] {
    ASSERT_TRUE(kv.put("u2", bus::to_json({.generation = 9})));
    ASSERT_TRUE(kv.put("u1", bus::to_json({.generation = 1, .deleting = true})));
  });
  const auto standing = bus::wait_until_superseded(kv, observed(1).workspace(), {});
  EXPECT_EQ(standing.value(), bus::Standing::kDeleting);
}

}  // namespace
}  // namespace tunesmith::fakes
