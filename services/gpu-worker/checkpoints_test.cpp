#include "checkpoints.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <fstream>
#include <iterator>
#include <mutex>

#include "fakes/memory_bus.h"
#include "temp_folder.h"

namespace tunesmith::gpu_worker {
namespace {

namespace fs = std::filesystem;

class Checkpoints : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(objects.create_bucket("ws-u", 0).has_value()); }

  fs::path file_with(const std::string& content) const {
    const fs::path file = folder / "checkpoint";
    std::ofstream(file, std::ios::binary) << content;
    return file;
  }
  std::string content_of(const fs::path& file) const {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  testing_support::TempFolder temporary;
  const fs::path folder = temporary.path();
  fakes::MemoryObjectStore objects;
  ManualClock clock;
  CheckpointStore store{objects, "ws-u", "key"};
};

struct ForwardingStore : bus::ObjectStore {
  explicit ForwardingStore(bus::ObjectStore& store) : inner(store) {}
  Result<void> create_bucket(const std::string& b, std::uint64_t q) override {
    return inner.create_bucket(b, q);
  }
  Result<void> delete_bucket(const std::string& b) override { return inner.delete_bucket(b); }
  Result<std::vector<std::string>> buckets() override { return inner.buckets(); }
  Result<bus::ObjectInfo> put_file(const std::string& b, const std::string& n, const fs::path& f,
                                   std::stop_token s) override {
    return inner.put_file(b, n, f, s);
  }
  Result<bus::ObjectInfo> get_file(const std::string& b, const std::string& n, const fs::path& f,
                                   std::stop_token s) override {
    return inner.get_file(b, n, f, s);
  }
  Result<std::optional<bus::ObjectInfo>> info(const std::string& b, const std::string& n) override {
    return inner.info(b, n);
  }
  Result<std::vector<bus::ObjectInfo>> list(const std::string& b) override { return inner.list(b); }
  Result<void> remove(const std::string& b, const std::string& n) override {
    return inner.remove(b, n);
  }
  bus::ObjectStore& inner;
};

// An object store whose objects ending in "2" cannot be read back whole.
struct CorruptNewest final : ForwardingStore {
  using ForwardingStore::ForwardingStore;
  Result<bus::ObjectInfo> get_file(const std::string& b, const std::string& n, const fs::path& f,
                                   std::stop_token s) override {
    if (n.ends_with("2")) return permanent("ObjectCorrupt", "digest differs");
    return inner.get_file(b, n, f, s);
  }
};

// One that takes very long, by the clock it moves.
class SlowStore final : public ForwardingStore {
 public:
  SlowStore(bus::ObjectStore& store, ManualClock& clock) : ForwardingStore(store), clock_(clock) {}
  Result<bus::ObjectInfo> put_file(const std::string& b, const std::string& n, const fs::path& f,
                                   std::stop_token s) override {
    clock_.advance(std::chrono::hours(10'000));
    auto stored = inner.put_file(b, n, f, s);
    const std::scoped_lock lock(mutex_);
    ++puts_;
    changed_.notify_all();
    return stored;
  }
  bool wait_for_puts(int number) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return puts_ >= number; });
  }

 private:
  ManualClock& clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int puts_ = 0;
};

TEST_F(Checkpoints, TheNewestIsFoundAndTwoAreKept) {
  for (const std::uint64_t step : {9, 10, 100}) {
    ASSERT_TRUE(store.put(step, file_with("at " + std::to_string(step)), {}).has_value());
  }
  EXPECT_EQ(objects.list("ws-u")->size(), 2u);
  auto newest = store.get_newest(folder / "resume", {});
  ASSERT_TRUE(newest.has_value());
  EXPECT_EQ(*newest, 100u);
  EXPECT_EQ(content_of(folder / "resume"), "at 100");
}

TEST_F(Checkpoints, ThoseOfAnotherTuningKeyAreNotTouched) {
  objects.put_bytes("ws-u", "checkpoint/other/0000000500", "other");
  auto newest = store.get_newest(folder / "resume", {});
  ASSERT_TRUE(newest.has_value());
  EXPECT_EQ(*newest, std::nullopt);
  ASSERT_TRUE(store.put(1, file_with("x"), {}).has_value());
  ASSERT_TRUE(store.remove_all().has_value());
  EXPECT_EQ(objects.list("ws-u")->size(), 1u);
}

TEST_F(Checkpoints, ACorruptNewestFallsBackToTheOneBefore) {
  ASSERT_TRUE(store.put(1, file_with("one"), {}).has_value());
  ASSERT_TRUE(store.put(2, file_with("two"), {}).has_value());
  CorruptNewest corrupt(objects);
  CheckpointStore reader(corrupt, "ws-u", "key");
  auto newest = reader.get_newest(folder / "resume", {});
  ASSERT_TRUE(newest.has_value());
  EXPECT_EQ(*newest, 1u);
}

TEST_F(Checkpoints, TheUploaderStoresInTheBackgroundAndCounts) {
  CheckpointUploader uploader(store, clock, 20, Log::silent());
  uploader.offer(5, file_with("five"));
  ASSERT_TRUE(uploader.wait_until_idle(std::chrono::seconds(30)));
  EXPECT_EQ(uploader.newest_stored(), 5u);
  EXPECT_EQ(objects.bytes("ws-u", store.object_name(5)), "five");
}

TEST(CheckpointPaceTest, StoringTakesOnePartInTwenty) {
  CheckpointPace pace(20);
  const Clock::SteadyTime begun{std::chrono::hours(1)};
  EXPECT_LT(pace.due(), begun) << "the first is never held back";
  pace.stored(begun, begun + std::chrono::seconds(30));
  EXPECT_EQ(pace.due(), begun + std::chrono::minutes(10));
}

// Storing takes ten thousand hours here.
TEST_F(Checkpoints, ASlowStoreIsNotGivenEveryCheckpointButTheLast) {
  SlowStore slow(objects, clock);
  CheckpointStore slowly(slow, "ws-u", "key");
  CheckpointUploader uploader(slowly, clock, 20, Log::silent());
  uploader.offer(5, file_with("five"));
  ASSERT_TRUE(slow.wait_for_puts(1));
  uploader.offer(6, file_with("six"));
  uploader.offer(7, file_with("seven"));
  ASSERT_TRUE(uploader.wait_until_idle(std::chrono::seconds(30)));
  EXPECT_EQ(uploader.newest_stored(), 7u);
  EXPECT_TRUE(objects.bytes("ws-u", store.object_name(5)));
  EXPECT_FALSE(objects.bytes("ws-u", store.object_name(6)));
}

TEST_F(Checkpoints, AFailedStoreIsNotCountedAndTheNextIsTried) {
  CheckpointUploader uploader(store, clock, 20, Log::silent());
  objects.fail_next({FailureClass::kTransient, "BusUnavailable", "down"}, 1);
  uploader.offer(5, file_with("five"));
  ASSERT_TRUE(uploader.wait_until_idle(std::chrono::seconds(30)));
  EXPECT_EQ(uploader.newest_stored(), 0u);
  uploader.offer(6, file_with("six"));
  ASSERT_TRUE(uploader.wait_until_idle(std::chrono::seconds(30)));
  EXPECT_EQ(uploader.newest_stored(), 6u);
}

}  // namespace
}  // namespace tunesmith::gpu_worker
