// The status store among others who write the same document.
#include "watcher/status_store.h"

#include <gtest/gtest.h>

#include <utility>

#include "fakes/memory_bus.h"

namespace tunesmith::watcher {
namespace {

using nlohmann::json;

// After the next update, before whoever asked for it hears of it.
class Interrupted final : public fakes::MemoryKeyValue {
 public:
  std::function<void()> then;
  Result<std::uint64_t> update(const std::string& key, const std::string& value,
                               std::uint64_t last_revision) override {
    auto updated = MemoryKeyValue::update(key, value, last_revision);
    if (const auto act = std::exchange(then, nullptr)) act();
    return updated;
  }
};

StatusStore::Fold adding(const char* key) {
  return [key](const json& status) {
    json next = status;
    next[key] = true;
    return Result<json>(next);
  };
}

TEST(StatusStore, AFoldThatOvertookAnotherStays) {
  Interrupted bucket;
  const ManualClock clock;
  StatusStore store(bucket, clock);
  ASSERT_TRUE(store.apply("status.d.w", false, adding("first")).has_value());
  bucket.then = [&] {
    EXPECT_TRUE(store.apply("status.d.w", false, adding("dead letter")).has_value());
  };
  ASSERT_TRUE(store.apply("status.d.w", false, adding("event")).has_value());
  const json all{{"first", true}, {"event", true}, {"dead letter", true}};
  EXPECT_EQ(json::parse(bucket.value("status.d.w").value()), all);
  EXPECT_EQ(store.read("status.d.w").value(), all);
}

}  // namespace
}  // namespace tunesmith::watcher
