#include "bus/standing_watch.h"

#include <gtest/gtest.h>

#include <semaphore>
#include <utility>

#include "fakes/memory_bus.h"

namespace tunesmith::bus {
namespace {

class StandingWatchTest : public ::testing::Test {
 protected:
  StandingWatchTest() {
    workspace_.set_uid("a");
    workspace_.set_generation(1);
    set({.generation = 1});
  }
  void set(const Current& state) { ASSERT_TRUE(current_.put("a", to_json(state)).has_value()); }
  static void wait_until_stopped(const StandingWatch& watch) {
    std::binary_semaphore stopped{0};
    const std::stop_callback callback(watch.token(), [&] { stopped.release(); });
    stopped.acquire();
  }

  fakes::MemoryKeyValue current_;
  events::v1::WorkspaceRef workspace_;
};

TEST_F(StandingWatchTest, WhatNoLongerCountsEndsTheJob) {
  for (const Current& state : {Current{.generation = 2}, Current{.generation = 1, .deleting = true},
                               Current{.generation = 1, .suspended = true}}) {
    set({.generation = 1});
    const StandingWatch watch(current_, workspace_, {});
    EXPECT_FALSE(watch.superseded());
    set(state);
    wait_until_stopped(watch);
    EXPECT_TRUE(watch.superseded());
  }
}

TEST_F(StandingWatchTest, WhatIsGoneBeforeTheJobBeganEndsIt) {
  ASSERT_TRUE(current_.remove("a").has_value());
  const StandingWatch watch(current_, workspace_, {});
  wait_until_stopped(watch);
  EXPECT_TRUE(watch.superseded());
}

TEST_F(StandingWatchTest, AStopOfTheServiceEndsTheJobThatStillCounts) {
  std::stop_source service;
  const StandingWatch watch(current_, workspace_, service.get_token());
  EXPECT_FALSE(watch.token().stop_requested());
  service.request_stop();
  EXPECT_TRUE(watch.token().stop_requested());
  EXPECT_FALSE(watch.superseded());
}

class RefusesTheFirstWatch : public fakes::MemoryKeyValue {
 public:
  Result<void> watch(const std::string& pattern,
                     const std::function<void(const KeyValueEntry&)>& on_entry,
                     const std::function<void()>& on_caught_up, std::stop_token stop) override {
    if (!std::exchange(refused_, true)) return transient("BusUnavailable", "no answer");
    return MemoryKeyValue::watch(pattern, on_entry, on_caught_up, std::move(stop));
  }

 private:
  bool refused_ = false;
};

TEST_F(StandingWatchTest, ABusThatCannotBeWatchedIsAskedAgain) {
  RefusesTheFirstWatch current;  // and is empty: the Workspace is gone
  const StandingWatch watch(current, workspace_, {});
  wait_until_stopped(watch);
  EXPECT_TRUE(watch.superseded());
}

}  // namespace
}  // namespace tunesmith::bus
