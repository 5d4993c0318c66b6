#include "runtime/retry.h"

#include <gtest/gtest.h>

#include <thread>

namespace tunesmith {
namespace {

using std::chrono::milliseconds;

TEST(Backoff, GrowsByItsFactorToItsMost) {
  Backoff backoff({.first = milliseconds(500), .most = milliseconds(3000), .jitter = 0.0}, 1);
  EXPECT_EQ(backoff.next(), milliseconds(500));
  EXPECT_EQ(backoff.next(), milliseconds(1000));
  EXPECT_EQ(backoff.next(), milliseconds(2000));
  for (int i = 0; i < 2000; ++i) EXPECT_EQ(backoff.next(), milliseconds(3000));
  backoff.reset();
  EXPECT_EQ(backoff.next(), milliseconds(500));
}

TEST(Backoff, JitterStaysInItsBandAndFollowsTheSeed) {
  const BackoffPolicy policy{.first = milliseconds(1000), .factor = 1.0, .jitter = 0.2};
  Backoff a(policy, 7);
  Backoff b(policy, 7);
  Backoff other(policy, 8);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const milliseconds wait = a.next();
    EXPECT_GE(wait, milliseconds(800));
    EXPECT_LE(wait, milliseconds(1200));
    EXPECT_EQ(wait, b.next());
    differs = differs || wait != other.next();
  }
  EXPECT_TRUE(differs);
}

TEST(WaitFor, SaysWhetherItSleptThrough) {
  std::stop_source stop;
  EXPECT_TRUE(wait_for(milliseconds(1), stop.get_token()));
  std::thread stopper([&] { stop.request_stop(); });
  EXPECT_FALSE(wait_for(std::chrono::hours(1), stop.get_token()));
  stopper.join();
}

}  // namespace
}  // namespace tunesmith
