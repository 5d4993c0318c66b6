#include "file_cache.h"

#include <gtest/gtest.h>
#include <sys/file.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include "file_host/file_host.h"
#include "run_folder.h"
#include "runtime/sha256.h"

namespace tunesmith::gpu_worker {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class FileCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "tunesmith-cache-XXXXXX").string();
    folder = mkdtemp(name.data());
    fs::create_directory(folder / "www");
    serve(std::string(300'000, 'a') + "end");
    auto started = tunesmith::testing::FileHost::start({.root = folder / "www"});
    ASSERT_TRUE(started.has_value());
    host = std::move(*started);
  }
  void TearDown() override { fs::remove_all(folder); }

  void serve(const std::string& text) {
    content = text;
    std::ofstream(folder / "www/file", std::ios::binary) << text;
  }
  events::v1::RemoteFile file() const {
    events::v1::RemoteFile planned;
    planned.set_url(host->url() + "/file");
    return planned;
  }
  void fault(const std::function<void(tunesmith::testing::Fault&)>& set) {
    tunesmith::testing::Fault one;
    one.path = "/file";
    set(one);
    host->set_faults({one});
  }
  Result<fs::path> fetch(const events::v1::RemoteFile& planned, std::stop_token stop = {}) {
    const FetchLimits limits{.deadline = 30s, .backoff = {.first = 1ms, .most = 5ms}};
    return FileCache(folder / "cache", http, clock, Log::silent(), limits)
        .fetch(planned, listener, std::move(stop));
  }
  static std::string text_of(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  fs::path folder;
  std::string content;
  std::unique_ptr<tunesmith::testing::FileHost> host;
  SystemClock clock;
  HttpClient http{HttpClientOptions{}};
  std::vector<Failure> waits;
  FetchListener listener{.on_bytes = [](std::uint64_t) {},
                         .on_waiting = [this](const Failure& why) { waits.push_back(why); }};
};

TEST_F(FileCacheTest, GoesOnWhereTheConnectionWasCutAndSaysSo) {
  auto planned = file();
  planned.set_sha256(sha256_hex(content));
  fault([](auto& one) {
    one.cut_after = 100'000;
    one.times = 1;
  });
  auto fetched = fetch(planned);
  ASSERT_TRUE(fetched.has_value()) << fetched.error().message;
  EXPECT_EQ(text_of(*fetched), content);
  ASSERT_EQ(waits.size(), 1u);
  const auto requests = host->requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[1].status, 206);
}

TEST_F(FileCacheTest, AKnownContentIsFetchedOnce) {
  auto planned = file();
  planned.set_sha256(sha256_hex(content));
  ASSERT_TRUE(fetch(planned).has_value());
  ASSERT_TRUE(fetch(planned).has_value());
  EXPECT_EQ(host->requests().size(), 1u);
}

TEST_F(FileCacheTest, AContentThatNothingIdentifiesIsFetchedAnew) {
  ASSERT_TRUE(fetch(file()).has_value());
  serve("another version");
  auto fetched = fetch(file());
  ASSERT_TRUE(fetched.has_value());
  EXPECT_EQ(text_of(*fetched), "another version");
}

TEST_F(FileCacheTest, WhatIsNotAsPlannedIsRefusedAndNotKept) {
  auto planned = file();
  planned.set_sha256(std::string(64, '0'));
  auto wrong_sum = fetch(planned);
  ASSERT_FALSE(wrong_sum.has_value());
  EXPECT_EQ(wrong_sum.error().reason, "ChecksumMismatch");
  EXPECT_EQ(wrong_sum.error().failure_class, FailureClass::kPermanent);

  auto sized = file();
  sized.set_size_bytes(5);
  EXPECT_EQ(fetch(sized).error().reason, "SizeMismatch");
  auto tagged = file();
  tagged.set_etag("\"other\"");
  EXPECT_EQ(fetch(tagged).error().reason, "SourceChanged");
  for (const auto& entry : fs::directory_iterator(folder / "cache")) {
    EXPECT_TRUE(entry.path().extension() == ".lock" || entry.path().extension() == ".part")
        << entry.path();
  }
}

TEST_F(FileCacheTest, OnlyWhatMayGoAwayIsTriedAgain) {
  const std::vector<std::pair<int, std::string>> refusals = {
      {404, "DataNotFound"}, {403, "DataAccessDenied"}, {400, "DownloadFailed"}};
  for (const auto& [status, reason] : refusals) {
    fault([&](auto& one) { one.status = status; });
    auto fetched = fetch(file());
    ASSERT_FALSE(fetched.has_value());
    EXPECT_EQ(fetched.error().reason, reason);
    EXPECT_TRUE(waits.empty());
  }
  fault([](auto& one) {
    one.status = 503;
    one.times = 2;
  });
  EXPECT_TRUE(fetch(file()).has_value());
  EXPECT_EQ(waits.size(), 2u);
}

TEST_F(FileCacheTest, AStopEndsTheWaitForAnotherWorkersDownload) {
  auto planned = file();
  planned.set_sha256(sha256_hex(content));
  ASSERT_TRUE(fetch(planned).has_value());
  const fs::path lock = folder / "cache" / (planned.sha256() + ".lock");
  const int fd = open(lock.c_str(), O_RDWR);
  ASSERT_EQ(flock(fd, LOCK_EX), 0);
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  auto fetched = fetch(planned, stop.get_token());
  ASSERT_FALSE(fetched.has_value());
  EXPECT_EQ(fetched.error().reason, "Stopped");
  close(fd);
}

TEST_F(FileCacheTest, AFileIsPlacedAgainByTheNextAttemptAndNeverOutsideItsFolder) {
  std::ofstream(folder / "cached") << "x";
  fs::create_directory(folder / "run");
  ASSERT_TRUE(place_file(folder / "cached", folder / "run", "sub/name").has_value());
  ASSERT_TRUE(place_file(folder / "cached", folder / "run", "sub/name").has_value());
  for (const char* path : {"", "/etc/passwd", "../x", "a/../../x"}) {
    auto placed = place_file(folder / "cached", folder / "run", path);
    ASSERT_FALSE(placed.has_value()) << path;
    EXPECT_EQ(placed.error().reason, "PlanInvalid");
  }
}

}  // namespace
}  // namespace tunesmith::gpu_worker
