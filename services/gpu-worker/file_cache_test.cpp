#include "file_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "file_cache_fixture.h"
#include "run_folder.h"

namespace tunesmith::gpu_worker {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class FileCacheTest : public CacheFixture {
 protected:
  // The host asks for this token from now on.
  void ask_token(const std::string& token) const {
    fault([&](auto& one) { one.bearer_token = token; });
  }
  static Access access(const std::string& token) {
    return {.secret = "team/data", .authorization = "Bearer " + token};
  }
  unsigned mode_of(const fs::path& path) const {
    struct stat facts {};
    EXPECT_EQ(::stat(path.c_str(), &facts), 0);
    return facts.st_mode & 07777U;
  }
};

TEST_F(FileCacheTest, AKnownContentIsFetchedOnce) {
  for (const auto& planned : {hashed(), tagged()}) {
    const auto before = host->requests().size();
    EXPECT_EQ(outcome(fetch(planned)), "");
    EXPECT_EQ(outcome(fetch(planned)), "");
    EXPECT_EQ(host->requests().size(), before + 1);
  }
}

TEST_F(FileCacheTest, AContentThatNothingIdentifiesIsFetchedAnew) {
  EXPECT_EQ(outcome(fetch(file())), "");
  serve("another version");
  EXPECT_EQ(outcome(fetch(file())), "");
}

TEST_F(FileCacheTest, WhatIsDamagedOrUnprovedIsFetchedAgain) {
  const auto planned = tagged();
  const auto first = fetch(planned);
  ASSERT_EQ(outcome(first), "");
  std::fstream(*first, std::ios::in | std::ios::out | std::ios::binary) << "damaged";
  EXPECT_EQ(outcome(fetch(planned)), "");
  EXPECT_EQ(host->requests().size(), 2u);
  fs::resize_file(*first, 100);
  EXPECT_EQ(outcome(fetch(planned)), "");
  fs::remove(first->string() + ".facts");
  EXPECT_EQ(outcome(fetch(planned)), "");
  EXPECT_EQ(host->requests().size(), 4u);
}

TEST_F(FileCacheTest, WhatASecretOpenedIsGivenOnlyToWhomTheHostGivesIt) {
  const auto planned = tagged();
  ask_token("s3cret");
  EXPECT_EQ(outcome(fetch(planned, {}, access("s3cret"))), "");
  EXPECT_EQ(outcome(fetch(planned)), "DataAccessDenied");
  EXPECT_EQ(outcome(fetch(planned, {}, access("wrong"))), "DataAccessDenied");
  const auto before = host->requests().size();
  EXPECT_EQ(outcome(fetch(planned, {}, access("s3cret"))), "");
  ASSERT_EQ(host->requests().size(), before + 1);
  EXPECT_EQ(host->requests().back().range, "bytes=0-0");

  ask_token("another");  // of another user who may read it too
  EXPECT_EQ(outcome(fetch(planned, {}, access("another"))), "");
  EXPECT_EQ(outcome(fetch(planned, {}, access("s3cret"))), "DataAccessDenied") << "revoked";
}

TEST_F(FileCacheTest, TheProofIsOfThePlannedVersion) {
  const auto planned = tagged();
  ask_token("s3cret");
  EXPECT_EQ(outcome(fetch(planned, {}, access("s3cret"))), "");
  serve("another version, which anybody may read");
  host->set_faults({});
  EXPECT_EQ(outcome(fetch(planned)), "SourceChanged");
}

TEST_F(FileCacheTest, AModelIsSharedByItsContentADataFileIsNot) {
  std::ofstream(folder / "www/liar") << "mine";
  auto other = hashed();
  other.set_url(host->url() + "/liar");  // a host that claims the digest of another's file

  EXPECT_EQ(outcome(fetch(hashed())), "");
  EXPECT_EQ(outcome(fetch(other)), "ChecksumMismatch");
  rules.from = AccessTo::kModelHub;
  EXPECT_EQ(outcome(fetch(hashed())), "");
  EXPECT_EQ(outcome(fetch(other)), "");
}

TEST_F(FileCacheTest, NamesAndFactsTellNothing) {
  ask_token("s3cret");
  auto planned = tagged();
  planned.set_url(planned.url() + "?sig=s3cret");
  EXPECT_EQ(outcome(fetch(planned, {}, access("s3cret"))), "");
  for (const auto& entry : fs::directory_iterator(cache_folder())) {
    EXPECT_THAT(entry.path().stem().string(), ::testing::MatchesRegex("[0-9a-f]{64}"));
    EXPECT_THAT(text_of(entry.path()), Not(HasSubstr("s3cret")));
  }
}

TEST_F(FileCacheTest, OnlyTheOwnerMayReadWhatIsThere) {
  const mode_t before = ::umask(0);
  EXPECT_EQ(outcome(fetch(hashed())), "");
  std::stop_source stop;
  fault([](auto& one) { one.cut_after = 10; });
  on_wait = [&](const Failure&) { stop.request_stop(); };
  EXPECT_EQ(outcome(fetch(file(), stop.get_token())), "Stopped");
  ::umask(before);
  EXPECT_EQ(mode_of(cache_folder()), 0700u);
  EXPECT_EQ(cached(".part").size(), 1u);
  for (const auto& entry : fs::directory_iterator(cache_folder())) {
    EXPECT_EQ(mode_of(entry.path()), 0600u) << entry.path();
  }
}

TEST_F(FileCacheTest, TwoWorkersFetchAFileOnce) {
  const auto planned = hashed();
  fault([](auto& one) { one.bytes_per_second = 3'000'000; });
  const FetchListener quiet{.on_bytes = [](std::uint64_t) {}, .on_waiting = [](const Failure&) {}};
  std::vector<std::string> outcomes(2);
  {
    std::vector<std::jthread> workers;
    for (auto& said : outcomes) {
      workers.emplace_back([&] { said = outcome(cache().fetch(planned, quiet, {})); });
    }
  }
  EXPECT_EQ(outcomes, (std::vector<std::string>{"", ""}));
  EXPECT_EQ(host->requests().size(), 1u);
}

TEST_F(FileCacheTest, TheWaitForAnotherWorkersDownloadIsToldAndEndsWithAStop) {
  const auto planned = hashed();
  ASSERT_EQ(outcome(fetch(planned)), "");
  const int fd = ::open(cached(".lock").at(0).c_str(), O_RDWR);
  ASSERT_EQ(::flock(fd, LOCK_EX), 0);
  std::stop_source stop;
  on_wait = [&](const Failure&) { stop.request_stop(); };
  EXPECT_EQ(outcome(fetch(planned, stop.get_token())), "Stopped");
  ASSERT_EQ(waits.size(), 1u);
  EXPECT_EQ(waits[0].reason, "CacheBusy");
  on_wait = [&](const Failure&) { ::close(fd); };
  EXPECT_EQ(outcome(fetch(planned)), "");
}

TEST_F(FileCacheTest, AFileOfThisMachineIsCopiedWhereItIsAllowed) {
  auto planned = hashed();
  planned.set_url("file://" + (folder / "www/file").string());
  EXPECT_EQ(outcome(fetch(planned)), "FileNotAllowed");
  rules.allowed_data_paths = {(folder / "www").string()};
  EXPECT_EQ(outcome(fetch(planned)), "");
  rules.allowed_data_paths.clear();
  EXPECT_EQ(outcome(fetch(planned)), "FileNotAllowed") << "a copy is no way around";
  EXPECT_TRUE(host->requests().empty());
}

TEST_F(FileCacheTest, AFileOfThisMachineThatChangedSinceIsTold) {
  rules.allowed_data_paths = {(folder / "www").string()};
  auto planned = hashed();
  planned.set_url("file://" + (folder / "www/file").string());
  serve("changed");
  EXPECT_EQ(outcome(fetch(planned)), "SourceChanged");
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
