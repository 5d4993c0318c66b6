// What a lease promises whatever the bucket does; more with a real server in nats_bus_test.cpp.
#include "bus/lease.h"

#include <gtest/gtest.h>

#include <future>

#include "fakes/memory_bus.h"

namespace tunesmith::bus {
namespace {

// A server whose answers take long: what it stored counts from before.
class SlowKeyValue final : public fakes::MemoryKeyValue {
 public:
  SlowKeyValue(ManualClock& clock, std::chrono::milliseconds takes)
      : clock_(clock), takes_(takes) {}
  Result<std::uint64_t> create(const std::string& key, const std::string& value) override {
    auto created = MemoryKeyValue::create(key, value);
    clock_.advance(takes_);
    return created;
  }
  Result<std::uint64_t> update(const std::string& key, const std::string& value,
                               std::uint64_t last_revision) override {
    auto updated = MemoryKeyValue::update(key, value, last_revision);
    clock_.advance(takes_);
    return updated;
  }

 private:
  ManualClock& clock_;
  const std::chrono::milliseconds takes_;
};

// Others count from when they saw it, not from when we heard that we have it.
TEST(Lease, ThatWasToldTooLateIsLostAtOnce) {
  ManualClock clock;
  const Log log = Log::silent();
  SlowKeyValue bucket(clock, std::chrono::seconds(16));
  const LeaseTimes times{.duration = std::chrono::seconds(15),
                         .renew_every = std::chrono::hours(1)};
  for (const std::uint64_t counter : {1, 2}) {
    const auto lease =
        acquire_lease(bucket, "a", "worker", times, clock, log, std::chrono::hours(1), {});
    ASSERT_TRUE(lease.has_value());
    EXPECT_EQ((*lease)->counter(), counter);
    std::promise<void> lost;
    const std::stop_callback tell((*lease)->lost(), [&] { lost.set_value(); });
    EXPECT_EQ(lost.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
    ASSERT_TRUE(bucket.put("a", R"({"holder":"worker","counter":1,"released":true})"));
  }
}

}  // namespace
}  // namespace tunesmith::bus
