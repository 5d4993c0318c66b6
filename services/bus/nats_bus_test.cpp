// Publishing, history, key-value and leases against real servers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "bus/lease.h"
#include "bus/nats_bus_fixture.h"
#include "bus/nats_connection.h"
#include "bus/ordered_reader.h"

namespace tunesmith::bus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

TEST_P(NatsBusTest, TopologyIsIdempotentAndFollowsItsLimits) {
  auto connection = ready();
  ASSERT_TRUE(init_topology(*connection, {}));
  ASSERT_TRUE(init_topology(*connection, {.max_stream_bytes = 64u << 20}));
  EXPECT_TRUE(connection->key_value(bucket::kPlans));
  EXPECT_EQ(connection->key_value("no-such").error().reason, "BusNotInitialised");
}

TEST_P(NatsBusTest, ARefusalHoldsTheServersWords) {
  auto connection = connect();
  const auto refused = init_topology(*connection, {.replicas = 3});  // of a server that is alone
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "BusRefused");
  EXPECT_NE(refused.error().message.find("replicas"), std::string::npos) << refused.error().message;
}

TEST_P(NatsBusTest, ARepeatedIdIsStoredOnce) {
  auto connection = ready();
  ASSERT_TRUE(connection->publish(planned("u1")));
  ASSERT_TRUE(connection->publish(planned("u1")));
  ASSERT_TRUE(connection->publish(planned("u1", 5)));
  ASSERT_TRUE(connection->publish(planned("u2")));
  const auto events = history(*connection, "u1");
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].id, "u1/1/0/tuning-planned");
  EXPECT_EQ(events[1].id, "u1/1/5/tuning-planned");
  EXPECT_EQ(events[0].token, "tuning-planned");
  EXPECT_EQ(events[0].uid, "u1");
  EXPECT_FALSE(events[0].traceparent.empty());
  EXPECT_EQ(history(*connection).size(), 3u);
}

TEST_P(NatsBusTest, EventsCarryCloudEventHeaders) {
  auto connection = ready();
  ASSERT_TRUE(connection->publish(planned("u1")));
  OrderedReader reader(dynamic_cast<NatsConnection&>(*connection).client(),
                       {.stream = kStream, .filter = "tunesmith.v1.>"});
  const auto stored = reader.next(false, {});
  ASSERT_TRUE(stored && *stored);
  const Headers& headers = (*stored)->message.headers;
  EXPECT_EQ(headers.at("ce-id"), "u1/1/0/tuning-planned");
  EXPECT_EQ(headers.at("Nats-Msg-Id"), "u1/1/0/tuning-planned");
  EXPECT_EQ(headers.at("ce-source"), "/tunesmith/test");
  EXPECT_EQ(headers.at("ce-type"), "dev.tunesmith.tuning-planned.v1");
  EXPECT_EQ(headers.at("ce-specversion"), "1.0");
  EXPECT_TRUE(headers.contains("ce-time"));
}

TEST_P(NatsBusTest, RefusesWhatTheBusCannotCarry) {
  auto connection = ready();
  auto event = planned("u1");
  event.payload.assign((256u << 10) + 1, 'x');
  EXPECT_EQ(connection->publish(event).error().reason, "EventTooLarge");
  EXPECT_EQ(connection->publish(planned("a.b")).error().reason, "EventInvalid");
}

TEST_P(NatsBusTest, PublishingOutlastsARestart) {
  auto connection = ready();
  server_.kill_hard();
  std::thread publisher([&] {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(connection->publish(planned("u" + std::to_string(i))));
  });
  server_.start();
  publisher.join();
  EXPECT_EQ(history(*connection).size(), 20u);
}

TEST_P(NatsBusTest, WithoutServerItSaysSo) {
  server_.stop();
  const auto connection = Connection::open(
      {.url = server_.url(), .name = "test", .connect_timeout = milliseconds(300)}, log_, {});
  EXPECT_EQ(connection.error().reason, "BusUnavailable");
  EXPECT_EQ(connection.error().failure_class, FailureClass::kTransient);
}

TEST_P(NatsBusTest, FollowsTheHistory) {
  auto connection = ready();
  ASSERT_TRUE(connection->publish(planned("u1", 1)));
  std::vector<std::string> seen;
  const auto read = connection->read_events("u1", true,
                                            [&](const IncomingEvent& event) {
                                              seen.push_back(event.id);
                                              if (seen.size() == 1) {
                                                EXPECT_TRUE(connection->publish(planned("u1", 2)));
                                              }
                                              return seen.size() < 2;
                                            },
                                            {});
  ASSERT_TRUE(read);
  EXPECT_THAT(seen, ElementsAre("u1/1/1/tuning-planned", "u1/1/2/tuning-planned"));
}

TEST_P(NatsBusTest, KeyValueComparesAndSets) {
  auto connection = ready();
  auto kv = key_value(*connection, bucket::kCurrent);
  EXPECT_FALSE(kv->get("u1").value());
  const auto first = kv->create("u1", "a");
  ASSERT_TRUE(first);
  EXPECT_EQ(kv->create("u1", "b").error().reason, "KeyExists");
  EXPECT_EQ(kv->update("u1", "b", *first + 100).error().reason, "RevisionConflict");
  const auto second = kv->update("u1", "b", *first);
  ASSERT_TRUE(second);
  EXPECT_EQ(kv->get("u1").value()->value, "b");
  EXPECT_EQ(kv->get("u1").value()->revision, *second);
  ASSERT_TRUE(kv->put("u2", std::string("\0x", 2)));
  EXPECT_EQ(kv->get("u2").value()->value, std::string("\0x", 2));
  EXPECT_THAT(kv->keys(">").value(), UnorderedElementsAre("u1", "u2"));
  ASSERT_TRUE(kv->remove("u1"));
  ASSERT_TRUE(kv->remove("u1"));
  ASSERT_TRUE(kv->remove("never-there"));
  EXPECT_FALSE(kv->get("u1").value());
  EXPECT_THAT(kv->keys("*").value(), ElementsAre("u2"));
  EXPECT_TRUE(kv->create("u1", "c"));
  EXPECT_EQ(kv->get("bad key").error().reason, "KeyInvalid");
}

TEST_P(NatsBusTest, AStoppingConnectionGivesNoPartOfTheKeysAsAll) {
  auto connection = ready();
  ASSERT_TRUE(key_value(*connection, bucket::kPlans)->put("u.1", "plan"));
  std::stop_source stop;
  auto stopping =
      Connection::open({.url = server_.url(), .name = "stopping"}, log_, stop.get_token());
  ASSERT_TRUE(stopping);
  auto plans = key_value(**stopping, bucket::kPlans);
  EXPECT_THAT(plans->keys("u.*").value(), ElementsAre("u.1"));
  stop.request_stop();
  const auto keys = plans->keys("u.*");
  ASSERT_FALSE(keys.has_value());
  EXPECT_EQ(keys.error().reason, "Stopped");
  EXPECT_EQ(keys.error().failure_class, FailureClass::kTransient);
}

TEST_P(NatsBusTest, OneOfManyWritersWins) {
  auto connection = ready();
  auto kv = key_value(*connection, bucket::kPlans);
  std::atomic<int> winners{0};
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&, i] {
      for (int key = 0; key < 10; ++key) {
        const auto made = kv->create("u." + std::to_string(key), std::to_string(i));
        EXPECT_TRUE(made || made.error().reason == "KeyExists");
        if (made) ++winners;
      }
    });
  }
  for (auto& writer : writers) writer.join();
  EXPECT_EQ(winners, 10);
}

TEST_P(NatsBusTest, WatchSeesThePresentThenChangesAcrossRestarts) {
  auto connection = ready();
  auto kv = key_value(*connection, bucket::kWorkspaces);
  ASSERT_TRUE(kv->put("spec.default.a", "1"));
  ASSERT_TRUE(kv->put("spec.default.gone", "x"));
  ASSERT_TRUE(kv->remove("spec.default.gone"));
  ASSERT_TRUE(kv->put("status.default.a", "not ours"));
  Seen seen;
  std::jthread watcher([&](const std::stop_token& stop) {
    EXPECT_TRUE(kv->watch(
        "spec.>",
        [&](const KeyValueEntry& entry) {
          seen.add(entry.key + "=" + (entry.deleted ? "deleted" : entry.value));
        },
        [&] { seen.add("caught up"); }, stop));
  });
  ASSERT_TRUE(seen.wait_for("caught up"));
  EXPECT_THAT(seen.all(), ElementsAre("spec.default.a=1", "caught up"));
  ASSERT_TRUE(kv->put("spec.default.a", "2"));
  ASSERT_TRUE(seen.wait_for("spec.default.a=2"));
  server_.kill_hard();
  server_.start();
  ASSERT_TRUE(kv->put("spec.default.b", "3"));
  ASSERT_TRUE(seen.wait_for("spec.default.b=3"));
  ASSERT_TRUE(kv->remove("spec.default.b"));
  ASSERT_TRUE(seen.wait_for("spec.default.b=deleted"));
  EXPECT_EQ(seen.times("caught up"), 1u);
}

TEST_P(NatsBusTest, WatchGoesOnWhenTheBusLostItsStore) {
  auto connection = ready();
  auto kv = key_value(*connection, bucket::kWorkspaces);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(kv->put("spec.default.a", std::to_string(i)));
  Seen seen;
  std::jthread watcher([&](const std::stop_token& stop) {
    auto watched = kv->watch(
        "spec.>", [&](const KeyValueEntry& entry) { seen.add(entry.value); },
        [&] { seen.add("caught up"); }, stop);
    // Until the buckets are there again the watch may say so; its owner starts it again.
    while (!watched && !stop.stop_requested()) {
      EXPECT_EQ(watched.error().reason, "BusNotInitialised");
      watched = kv->watch(
          "spec.>", [&](const KeyValueEntry& entry) { seen.add(entry.value); }, [] {}, stop);
    }
  });
  ASSERT_TRUE(seen.wait_for("caught up"));
  server_.kill_hard();
  server_.wipe_store();
  server_.start();
  ASSERT_TRUE(init_topology(*connection, {}));
  ASSERT_TRUE(kv->put("spec.default.new", "after"));
  EXPECT_TRUE(seen.wait_for("after"));
}

TEST_P(NatsBusTest, OneHolderAtATimeAndACounterThatGrows) {
  auto connection = ready();
  auto kv = key_value(*connection, bucket::kLeases);
  const SystemClock clock;
  const LeaseTimes times{.duration = milliseconds(1'500), .renew_every = milliseconds(300)};
  auto first = acquire_lease(*kv, "u1", "a", times, clock, log_, seconds(5), {});
  ASSERT_TRUE(first);
  EXPECT_EQ((*first)->counter(), 1u);
  // Renewed: nobody gets in within more than its duration.
  const auto refused = acquire_lease(*kv, "u1", "b", times, clock, log_, milliseconds(2'500), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "LeaseHeld");
  EXPECT_NE(refused.error().message.find("held by a"), std::string::npos);
  EXPECT_FALSE((*first)->lost().stop_requested());
  // Released: in at once.
  ASSERT_TRUE((*first)->release());
  auto second = acquire_lease(*kv, "u1", "b", times, clock, log_, seconds(5), {});
  ASSERT_TRUE(second);
  EXPECT_EQ((*second)->counter(), 2u);
  // Dropped without a release, as by a process that died: in after the duration.
  second->reset();
  const auto begun = clock.steady_now();
  auto third = acquire_lease(*kv, "u1", "c", times, clock, log_, seconds(30), {});
  ASSERT_TRUE(third);
  EXPECT_EQ((*third)->counter(), 3u);
  EXPECT_GE(clock.steady_now() - begun, times.duration);
  EXPECT_EQ(read_lease(*kv, "u1").value()->holder, "c");
}

TEST_P(NatsBusTest, TwoWhoRaceForALeaseNeverHoldItTogether) {
  auto connection = ready();
  auto other = connect("other");
  const SystemClock clock;
  std::atomic<int> holders{0};
  std::vector<std::thread> racers;
  for (Connection* bus : {connection.get(), other.get()}) {
    racers.emplace_back([&, bus] {
      auto kv = key_value(*bus, bucket::kLeases);
      for (int i = 0; i < 5; ++i) {
        auto lease = acquire_lease(*kv, "u1", "racer", {}, clock, log_, kSoon, {});
        ASSERT_TRUE(lease);
        EXPECT_EQ(++holders, 1);
        --holders;
        ASSERT_TRUE((*lease)->release());
      }
    });
  }
  for (auto& racer : racers) racer.join();
  auto kv = key_value(*connection, bucket::kLeases);
  EXPECT_EQ(read_lease(*kv, "u1").value()->counter, 10u);
}

TEST_P(NatsBusTest, ALeaseThatCannotBeRenewedIsLostInTime) {
  auto connection = ready();
  auto kv = key_value(*connection, bucket::kLeases);
  const SystemClock clock;
  auto lease = acquire_lease(*kv, "u1", "a",
                             {.duration = milliseconds(1'000), .renew_every = milliseconds(200)},
                             clock, log_, seconds(5), {});
  ASSERT_TRUE(lease);
  Seen seen;
  const std::stop_callback lost((*lease)->lost(), [&] { seen.add("lost"); });
  server_.freeze();
  const bool told = seen.wait_for("lost", seconds(30));
  server_.thaw();
  EXPECT_TRUE(told);
}

TEST(NatsBus, WrongCredentialsAreSaidPlainly) {
  testing::NatsServer server(testing::current_nats_binary(), {"--user", "u", "--pass", "right"});
  const auto connection =
      Connection::open({.url = server.url(), .name = "test"}, Log::silent(), {});
  EXPECT_EQ(connection.error().reason, "BusAuthentication");
}

INSTANTIATE_TEST_SUITE_P(Servers, NatsBusTest, ::testing::ValuesIn(testing::nats_binaries()),
                         binary_name);

}  // namespace
}  // namespace tunesmith::bus
