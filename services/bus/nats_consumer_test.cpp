// Consuming against real servers: what is delivered, when, how often, and what happens to whoever
// dies on the way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <set>
#include <thread>

#include "bus/nats_bus_fixture.h"
#include "runtime/process.h"
#include "runtime/retry.h"

namespace tunesmith::bus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;

constexpr const char* kToken = "tuning-planned";

ConsumerOptions options(int concurrency = 1) {
  return {.service = "test", .token = kToken, .concurrency = concurrency};
}

class NatsConsumerTest : public NatsBusTest {
 protected:
  // A service in a process of its own that takes one event and hangs over it; killed when it did.
  void let_one_die(const ConsumerOptions& options) {
    Seen said;
    ProcessOptions process;
    process.argv = {std::string(TUNESMITH_BIN_DIR) + "/bus_test_child",
                    server_.url(),
                    kToken,
                    std::to_string(options.ack_wait.count()),
                    std::to_string(options.max_deliver),
                    std::to_string(options.max_hand_backs)};
    auto child =
        Process::start(std::move(process), [&](const std::string& line) { said.add(line); });
    ASSERT_TRUE(child);
    ASSERT_TRUE(said.wait_for(1));
    child->signal(SIGKILL);
    ASSERT_TRUE(child->wait({}, kSoon));
  }
  void expect_exhausted(int max_hand_backs);
};

TEST_P(NatsConsumerTest, HandlesEveryEventOnceAndInTheOrderOfItsUid) {
  auto connection = ready();
  Seen seen;
  std::mutex mutex;
  std::map<std::string, std::vector<std::string>> per_uid;
  std::set<std::string> running;
  auto consumer =
      connection->consume(options(4), [&](const IncomingEvent& event, const std::stop_token&) {
        {
          const std::scoped_lock lock(mutex);
          EXPECT_TRUE(running.insert(event.uid).second) << "two of one uid at a time";
          per_uid[event.uid].push_back(event.id);
        }
        std::this_thread::yield();
        const std::scoped_lock lock(mutex);
        running.erase(event.uid);
        seen.add(event.id);
        return Disposition::done();
      });
  ASSERT_TRUE(consumer);
  for (int pass = 1; pass <= 9; ++pass) {
    for (const char* uid : {"u1", "u2", "u3"}) {
      ASSERT_TRUE(connection->publish(planned(uid, pass)));
    }
  }
  ASSERT_TRUE(seen.wait_for(27));
  consumer->reset();
  EXPECT_EQ(seen.all().size(), 27u);
  for (const auto& [uid, ids] : per_uid) {
    ASSERT_EQ(ids.size(), 9u);
    EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end())) << uid;
  }
}

TEST_P(NatsConsumerTest, WhatADeadProcessHeldIsDeliveredAgain) {
  auto connection = ready();
  ConsumerOptions quick = options();
  quick.ack_wait = milliseconds(1'000);
  quick.in_progress_every = milliseconds(300);
  ASSERT_TRUE(connection->publish(planned("u1")));
  let_one_die(quick);
  Seen seen;
  auto consumer =
      connection->consume(quick, [&](const IncomingEvent& event, const std::stop_token&) {
        seen.add(event.id + " " + std::to_string(event.deliveries));
        return Disposition::done();
      });
  ASSERT_TRUE(consumer);
  EXPECT_TRUE(seen.wait_for("u1/1/0/tuning-planned 2"));
  EXPECT_EQ((*consumer)->stats().redelivered, 1u);
}

TEST_P(NatsConsumerTest, LongWorkIsNotDeliveredTwice) {
  auto connection = ready();
  ConsumerOptions quick = options(4);
  quick.ack_wait = milliseconds(1'000);
  quick.in_progress_every = milliseconds(250);
  Seen seen;
  auto consumer = connection->consume(quick, [&](const IncomingEvent& event, std::stop_token stop) {
    seen.add("begun");
    wait_for(3 * quick.ack_wait, std::move(stop));
    seen.add(event.id);
    return Disposition::done();
  });
  ASSERT_TRUE(consumer);
  ASSERT_TRUE(connection->publish(planned("u1")));
  ASSERT_TRUE(seen.wait_for("u1/1/0/tuning-planned"));
  EXPECT_EQ(seen.times("begun"), 1u);
}

TEST_P(NatsConsumerTest, ARetryIsNoDeath) {
  auto connection = ready();
  Seen seen;
  ConsumerOptions strict = options();
  strict.max_deliver = 2;
  auto consumer =
      connection->consume(strict, [&](const IncomingEvent& event, const std::stop_token&) {
        EXPECT_EQ(event.deliveries, 1u);
        seen.add("try " + std::to_string(seen.all().size()));
        return seen.all().size() < 8 ? Disposition::retry(milliseconds(20)) : Disposition::done();
      });
  ASSERT_TRUE(consumer);
  ASSERT_TRUE(connection->publish(planned("u1")));
  ASSERT_TRUE(seen.wait_for("try 7"));
  EXPECT_EQ((*consumer)->stats().retried, 7u);
}

TEST_P(NatsConsumerTest, AWaitingRetryDoesNotHoldUpOthers) {
  auto connection = ready();
  Seen seen;
  auto consumer =
      connection->consume(options(), [&](const IncomingEvent& event, const std::stop_token&) {
        seen.add(event.uid);
        return event.uid == "u1" ? Disposition::retry(seconds(600)) : Disposition::done();
      });
  ASSERT_TRUE(consumer);
  ASSERT_TRUE(connection->publish(planned("u1")));
  ASSERT_TRUE(connection->publish(planned("u2")));
  EXPECT_TRUE(seen.wait_for("u2"));
}

TEST_P(NatsConsumerTest, AStoppedServiceHandsBackAtOnce) {
  auto connection = ready();
  Seen seen;
  const auto handler = [&](const std::string& name) {
    return [&seen, name](const IncomingEvent& event, std::stop_token stop) {
      seen.add(name + " " + event.uid);
      if (name == "second") return Disposition::done();
      wait_for(std::chrono::hours(1), std::move(stop));
      return Disposition::hand_back();
    };
  };
  auto first = connection->consume(options(), handler("first"));
  ASSERT_TRUE(first);
  ASSERT_TRUE(connection->publish(planned("u1")));
  ASSERT_TRUE(seen.wait_for("first u1"));
  const auto begun = std::chrono::steady_clock::now();
  first->reset();
  auto second = connection->consume(options(), handler("second"));
  ASSERT_TRUE(second);
  ASSERT_TRUE(seen.wait_for("second u1"));
  // Far below the ack wait of 30 s, which is what a lost message would take.
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(20));
}

TEST_P(NatsConsumerTest, GracefulStopsAreNoDeaths) {
  auto connection = ready();
  Seen seen, told;
  auto collector = connection->collect_dead_letters([&](const DeadLetter& letter) {
    told.add(letter.failure.reason);
    return Disposition::done();
  });
  ASSERT_TRUE(collector);
  ConsumerOptions strict = options();
  strict.max_deliver = 2;
  ASSERT_TRUE(connection->publish(planned("u1")));
  for (int stop = 1; stop <= 6; ++stop) {
    auto stopped = connection->consume(strict, [&](const IncomingEvent&, std::stop_token end) {
      seen.add("stop " + std::to_string(stop));
      wait_for(std::chrono::hours(1), std::move(end));
      return Disposition::hand_back();
    });
    ASSERT_TRUE(stopped);
    ASSERT_TRUE(seen.wait_for("stop " + std::to_string(stop)));
  }
  // After six stops it still takes two deaths.
  auto consumer =
      connection->consume(strict, [&](const IncomingEvent&, const std::stop_token&) -> Disposition {
        seen.add("thrown " + std::to_string(seen.all().size()));
        throw std::out_of_range("a bug");
      });
  ASSERT_TRUE(consumer);
  ASSERT_TRUE(told.wait_for("HandlerFailed"));
  EXPECT_EQ(seen.all().size(), 8u);
}

// `max_hand_backs` 0: the server itself counts to max_deliver and tells by an advisory.
TEST_P(NatsConsumerTest, ExhaustedDeliveriesBecomeADeadLetter) {
  for (const int hand_backs : {0, 100}) {
    SCOPED_TRACE(hand_backs);
    expect_exhausted(hand_backs);
  }
}

void NatsConsumerTest::expect_exhausted(int max_hand_backs) {
  const std::string uid = "u" + std::to_string(max_hand_backs);
  const std::string id = uid + "/1/0/tuning-planned";
  auto connection = ready();
  ConsumerOptions quick = options();
  quick.max_hand_backs = max_hand_backs;
  quick.ack_wait = milliseconds(500);
  quick.in_progress_every = milliseconds(150);
  quick.max_deliver = 2;
  Seen told;
  auto collector = connection->collect_dead_letters([&](const DeadLetter& letter) {
    told.add(letter.event.id + " " + letter.failure.reason + " " + letter.consumer);
    return Disposition::done();
  });
  ASSERT_TRUE(collector);
  ASSERT_TRUE(connection->publish(planned(uid)));
  let_one_die(quick);
  let_one_die(quick);
  Seen seen;
  auto consumer =
      connection->consume(quick, [&](const IncomingEvent& event, const std::stop_token&) {
        seen.add(event.id);
        return Disposition::done();
      });
  ASSERT_TRUE(consumer);
  ASSERT_TRUE(connection->publish(planned("next-" + uid)));
  ASSERT_TRUE(seen.wait_for("next-" + id));
  EXPECT_TRUE(told.wait_for(id + " DeliveriesExhausted test_tuning-planned"));
  EXPECT_EQ(seen.times(id), 0u);
}

TEST_P(NatsConsumerTest, PoisonGoesToTheDeadLettersAndComesBackByReplay) {
  auto connection = ready();
  Seen seen, told;
  bool understands = false;
  std::mutex mutex;
  auto collector = connection->collect_dead_letters([&](const DeadLetter& letter) {
    told.add(letter.failure.reason);
    return Disposition::done();
  });
  ASSERT_TRUE(collector);
  auto consumer = connection->consume(options(), [&](const IncomingEvent& event,
                                                     const std::stop_token&) {
    const std::scoped_lock lock(mutex);
    if (!understands) {
      return Disposition::dead({FailureClass::kPoison, "EventUndecodable", "50% \"garbage\"\n"});
    }
    seen.add(event.id + " " + event.payload);
    return Disposition::done();
  });
  ASSERT_TRUE(consumer);
  OutgoingEvent garbage = planned("u1");
  garbage.payload = std::string("\xff\0garbage", 9);
  ASSERT_TRUE(connection->publish(garbage));
  ASSERT_TRUE(told.wait_for("EventUndecodable"));
  const auto letters = connection->dead_letters(10);
  ASSERT_TRUE(letters);
  ASSERT_EQ(letters->size(), 1u);
  const DeadLetter& letter = letters->front();
  EXPECT_EQ(letter.event.payload, garbage.payload);
  EXPECT_EQ(letter.event.id, garbage.id);
  EXPECT_EQ(letter.event.token, kToken);
  EXPECT_EQ(letter.event.uid, "u1");
  EXPECT_EQ(letter.consumer, "test_tuning-planned");
  EXPECT_EQ(letter.failure,
            (Failure{FailureClass::kPoison, "EventUndecodable", "50% \"garbage\"\n"}));
  {
    const std::scoped_lock lock(mutex);
    understands = true;
  }
  ASSERT_TRUE(connection->replay(letter.sequence, 1'700'000'000));
  EXPECT_TRUE(seen.wait_for("u1/1/0/tuning-planned/replay-1700000000-1 " + garbage.payload));
  EXPECT_EQ(connection->replay(999, 1).error().reason, "DeadLetterMissing");
}

TEST_P(NatsConsumerTest, ReplaysOfOneSecondAreToldApart) {
  auto connection = ready();
  Seen seen, told;
  auto collector = connection->collect_dead_letters([&](const DeadLetter& letter) {
    told.add(std::to_string(letter.sequence));
    return Disposition::done();
  });
  ASSERT_TRUE(collector);
  auto consumer =
      connection->consume(options(), [&](const IncomingEvent& event, const std::stop_token&) {
        if (event.id.find("/replay-") == std::string::npos) {
          return Disposition::dead({FailureClass::kPoison, "EventUndecodable", "not yet"});
        }
        seen.add(event.payload);
        return Disposition::done();
      });
  ASSERT_TRUE(consumer);
  for (const char* payload : {"one", "two"}) {
    OutgoingEvent nameless = planned("u1");
    nameless.id.clear();
    nameless.payload = payload;
    ASSERT_TRUE(connection->publish(nameless));
  }
  ASSERT_TRUE(told.wait_for(2));
  ASSERT_TRUE(connection->replay(1, 1'700'000'000));
  ASSERT_TRUE(connection->replay(2, 1'700'000'000));
  EXPECT_TRUE(seen.wait_for(2));
}

TEST_P(NatsConsumerTest, AThrowingHandlerEndsInTheDeadLetters) {
  auto connection = ready();
  Seen told;
  auto collector = connection->collect_dead_letters([&](const DeadLetter& letter) {
    told.add(letter.failure.reason + ": " + letter.failure.message);
    return Disposition::done();
  });
  ASSERT_TRUE(collector);
  ConsumerOptions strict = options();
  strict.max_deliver = 2;
  auto consumer =
      connection->consume(strict, [](const IncomingEvent&, const std::stop_token&) -> Disposition {
        throw std::out_of_range("a bug");
      });
  ASSERT_TRUE(consumer);
  ASSERT_TRUE(connection->publish(planned("u1")));
  EXPECT_TRUE(told.wait_for("HandlerFailed: the handler threw: a bug"));
}

TEST_P(NatsConsumerTest, NothingIsLostWhenTheServerIsKilledInTheMiddle) {
  auto connection = ready();
  constexpr int kEvents = 120;
  for (int i = 0; i < kEvents; ++i) {
    ASSERT_TRUE(connection->publish(planned("u" + std::to_string(i % 10), i + 1)));
  }
  Seen seen;
  auto consumer =
      connection->consume(options(4), [&](const IncomingEvent& event, const std::stop_token&) {
        seen.add(event.id);
        std::this_thread::sleep_for(milliseconds(2));
        return Disposition::done();
      });
  ASSERT_TRUE(consumer);
  for (const std::size_t progress : {30u, 70u}) {
    ASSERT_TRUE(seen.wait_for(progress));
    server_.kill_hard();
    server_.start();
  }
  ASSERT_TRUE(connection->publish(planned("last")));
  EXPECT_TRUE(seen.wait_for(kEvents + 1));
}

TEST_P(NatsConsumerTest, AFrozenServerOnlyCostsTime) {
  auto connection = ready();
  Seen seen;
  auto consumer =
      connection->consume(options(2), [&](const IncomingEvent& event, const std::stop_token&) {
        seen.add(event.id);
        return Disposition::done();
      });
  ASSERT_TRUE(consumer);
  ASSERT_TRUE(connection->publish(planned("u1")));
  ASSERT_TRUE(seen.wait_for(1));
  server_.freeze();
  std::thread publisher([&] { EXPECT_TRUE(connection->publish(planned("u2"))); });
  wait_for(milliseconds(500),
           {});  // long enough for the publish to be under way; nothing depends on it
  server_.thaw();
  publisher.join();
  EXPECT_TRUE(seen.wait_for(2));
}

TEST_P(NatsConsumerTest, GoesOnWhenTheBusLostItsStore) {
  auto connection = ready();
  Seen seen;
  auto consumer =
      connection->consume(options(), [&](const IncomingEvent& event, const std::stop_token&) {
        seen.add(event.uid);
        return Disposition::done();
      });
  ASSERT_TRUE(consumer);
  ASSERT_TRUE(connection->publish(planned("before")));
  ASSERT_TRUE(seen.wait_for("before"));
  server_.kill_hard();
  server_.wipe_store();
  server_.start();
  ASSERT_TRUE(init_topology(*connection, {}));
  ASSERT_TRUE(connection->publish(planned("after")));
  EXPECT_TRUE(seen.wait_for("after"));
}

TEST_P(NatsConsumerTest, OneConsumerTakesEveryEvent) {
  auto connection = ready();
  Seen seen;
  ConsumerOptions all = options();
  all.token.clear();
  auto consumer = connection->consume(all, [&](const IncomingEvent& event, const std::stop_token&) {
    seen.add(event.token);
    return Disposition::done();
  });
  ASSERT_TRUE(consumer);
  OutgoingEvent other = planned("u1");
  other.token = "nodes-ready";
  other.id = "u1/1/0/nodes-ready";
  ASSERT_TRUE(connection->publish(planned("u1")));
  ASSERT_TRUE(connection->publish(other));
  ASSERT_TRUE(seen.wait_for(2));
  EXPECT_THAT(seen.all(), ElementsAre(kToken, "nodes-ready"));
}

INSTANTIATE_TEST_SUITE_P(Servers, NatsConsumerTest, ::testing::ValuesIn(testing::nats_binaries()),
                         binary_name);

}  // namespace
}  // namespace tunesmith::bus
