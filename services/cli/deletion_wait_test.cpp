// Waiting for a deletion: its end, an end that never comes, a name that is used again.
#include "cli/deletion_wait.h"

#include <gtest/gtest.h>

#include <thread>

#include "fakes/memory_bus.h"

namespace tunesmith::cli {
namespace {

using namespace std::chrono_literals;

constexpr const char* kKey = "spec.default.a";
constexpr const char* kDoomed = R"({"metadata":{"deletionTimestamp":"2026-03-03T00:00:00Z"}})";

class DeletionWaitTest : public testing::Test {
 protected:
  bool waited(std::optional<std::chrono::milliseconds> limit, std::stop_token stop = {}) {
    const auto done = wait_until_deleted(objects_, kKey, limit, stop);
    EXPECT_TRUE(done);
    return done && *done;
  }
  fakes::MemoryKeyValue objects_;
};

TEST_F(DeletionWaitTest, WhatIsNotBeingDeletedIsNotWaitedFor) {
  EXPECT_TRUE(waited(std::nullopt));
  ASSERT_TRUE(objects_.put(kKey, R"({"metadata":{}})"));
  EXPECT_TRUE(waited(std::nullopt));
}

TEST_F(DeletionWaitTest, EndsWhenItIsGoneOrMadeAnew) {
  ASSERT_TRUE(objects_.put(kKey, kDoomed));
  {
    const std::jthread other([this] { EXPECT_TRUE(objects_.remove(kKey)); });
    EXPECT_TRUE(waited(std::nullopt));
  }
  ASSERT_TRUE(objects_.put(kKey, kDoomed));
  const std::jthread other([this] { EXPECT_TRUE(objects_.put(kKey, R"({"metadata":{}})")); });
  EXPECT_TRUE(waited(std::nullopt));
}

TEST_F(DeletionWaitTest, EndsAtTheLimitAndAtAStop) {
  ASSERT_TRUE(objects_.put(kKey, kDoomed));
  EXPECT_FALSE(waited(10ms));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(waited(std::nullopt, stop.get_token()));
}

}  // namespace
}  // namespace tunesmith::cli
