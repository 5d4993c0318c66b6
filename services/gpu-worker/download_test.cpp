// Downloads that are cut, stalled, changed and lied to: what reaches the cache is what was planned.
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "file_cache_fixture.h"

namespace tunesmith::gpu_worker {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

class DownloadTest : public CacheFixture {};

TEST_F(DownloadTest, GoesOnWhereTheConnectionWasCutAndSaysSo) {
  cut_once();
  EXPECT_EQ(outcome(fetch(hashed())), "");
  ASSERT_EQ(waits.size(), 1u);
  EXPECT_EQ(waits[0].reason, "ConnectionLost");
  const auto requests = host->requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[1].status, 206);
  EXPECT_LE(requests[1].body_bytes, content.size() - 100'000);
}

TEST_F(DownloadTest, GoesOnWhenNoByteComesForSoLong) {
  fault([](auto& one) {
    one.stall_after = 100'000;
    one.times = 1;
  });
  EXPECT_EQ(outcome(fetch(tagged())), "");
  ASSERT_EQ(waits.size(), 1u);
  EXPECT_EQ(waits[0].reason, "TimedOut");
  EXPECT_THAT(waits[0].message, HasSubstr("without a byte"));
  EXPECT_EQ(host->requests().at(1).status, 206);
}

TEST_F(DownloadTest, AnotherEntityTagInTheMiddleIsToldAtOnce) {
  const auto planned = tagged();
  cut_once();
  on_wait = [this](const Failure&) { serve(std::string(5'000'000, 'b')); };
  const auto fetched = fetch(planned);
  EXPECT_EQ(outcome(fetched), "SourceChanged");
  EXPECT_THAT(fetched.error().message, HasSubstr(planned.etag()));
  EXPECT_TRUE(cached("").empty());
  EXPECT_LT(host->requests().at(1).body_bytes, content.size()) << "it was fetched for nothing";
}

TEST_F(DownloadTest, AnUnplannedVersionThatChangesInTheMiddleBeginsAnew) {
  const auto planned = file();
  cut_once();
  on_wait = [this](const Failure&) { serve(std::string(200'000, 'b')); };
  EXPECT_EQ(outcome(fetch(planned)), "");
}

TEST_F(DownloadTest, WithoutAnythingThatTellsVersionsApartNothingIsResumed) {
  tunesmith::testing::Fault cut, tagless;
  cut.path = tagless.path = "/file";
  tagless.etag = "none";
  cut.cut_after = 100'000;
  cut.times = 1;
  host->set_faults({tagless, cut});
  on_wait = [this](const Failure&) { serve(std::string(200'000, 'b')); };
  EXPECT_EQ(outcome(fetch(file())), "");
  EXPECT_EQ(host->requests().at(1).range, "");
}

TEST_F(DownloadTest, AHostWithoutRangesIsAskedForAllOfIt) {
  tunesmith::testing::Fault cut, whole;
  cut.path = whole.path = "/file";
  whole.ignore_range = true;
  cut.cut_after = 100'000;
  cut.times = 1;
  host->set_faults({whole, cut});
  EXPECT_EQ(outcome(fetch(tagged())), "");
  EXPECT_EQ(host->requests().at(1).status, 200);
}

TEST_F(DownloadTest, AnotherRangeThanAskedForIsNotTaken) {
  tunesmith::testing::Fault cut, shifted;
  cut.path = shifted.path = "/file";
  cut.cut_after = 100'000;
  cut.times = 1;
  shifted.range_from = 7;
  shifted.times = 2;
  const auto planned = hashed();
  host->set_faults({cut});
  on_wait = [&](const Failure&) {
    if (waits.size() == 1) host->set_faults({shifted});
    if (waits.size() == 2) host->set_faults({});
  };
  EXPECT_EQ(outcome(fetch(planned)), "");
  ASSERT_EQ(waits.size(), 2u);
  EXPECT_THAT(waits[1].message, HasSubstr("another range"));
  EXPECT_EQ(host->requests().at(2).range, "");
}

TEST_F(DownloadTest, AnotherLengthIsToldBeforeTheFirstByte) {
  auto planned = tagged();
  planned.clear_etag();
  planned.set_size_bytes(5);
  const auto fetched = fetch(planned);
  EXPECT_EQ(outcome(fetched), "SourceChanged");
  EXPECT_THAT(fetched.error().message, HasSubstr("300003"));
  EXPECT_TRUE(cached("").empty());
}

TEST_F(DownloadTest, DamagedBytesAreNamedAndNotKept) {
  fault([](auto& one) { one.corrupt_at = 200'000; });
  const auto fetched = fetch(hashed());
  EXPECT_EQ(outcome(fetched), "ChecksumMismatch");
  EXPECT_EQ(fetched.error().failure_class, FailureClass::kPermanent);
  EXPECT_TRUE(cached("").empty());
  EXPECT_TRUE(cached(".part").empty());
}

TEST_F(DownloadTest, ABeginningThatDoesNotFitIsFetchedAnew) {
  rules.from = AccessTo::kModelHub;
  const auto planned = hashed();
  fs::create_directory(cache_folder());
  std::ofstream(cache_folder() / (planned.sha256() + ".part")) << std::string(1000, 'x');
  EXPECT_EQ(outcome(fetch(planned)), "");
  ASSERT_EQ(host->requests().size(), 2u);
  EXPECT_EQ(host->requests()[0].status, 206);
  EXPECT_EQ(host->requests()[1].status, 200);
}

TEST_F(DownloadTest, APartThatIsWholeAlreadyIsTakenWhenItFits) {
  rules.from = AccessTo::kModelHub;
  const auto planned = hashed();
  fs::create_directory(cache_folder());
  std::ofstream(cache_folder() / (planned.sha256() + ".part")) << content;
  EXPECT_EQ(outcome(fetch(planned)), "");
  EXPECT_EQ(host->requests().at(0).status, 416);
  EXPECT_EQ(host->requests().size(), 1u);
}

TEST_F(DownloadTest, OnlyWhatMayGoAwayIsTriedAgain) {
  const std::vector<std::pair<int, std::string>> refusals = {{404, "DataNotFound"},
                                                             {410, "DataNotFound"},
                                                             {401, "DataAccessDenied"},
                                                             {403, "DataAccessDenied"},
                                                             {400, "DownloadFailed"}};
  for (const auto& [status, reason] : refusals) {
    fault([&](auto& one) { one.status = status; });
    EXPECT_EQ(outcome(fetch(file())), reason);
    EXPECT_TRUE(waits.empty());
  }
  rules.from = AccessTo::kModelHub;
  fault([](auto& one) { one.status = 404; });
  EXPECT_EQ(outcome(fetch(file())), "ModelNotFound");
  fault([](auto& one) { one.status = 403; });
  EXPECT_EQ(outcome(fetch(file())), "ModelAccessDenied");
  fault([](auto& one) {
    one.status = 503;
    one.times = 2;
  });
  EXPECT_EQ(outcome(fetch(file())), "");
  EXPECT_EQ(waits.size(), 2u);
}

TEST_F(DownloadTest, ASignedLinkThatHasRunOutIsAskedForAgain) {
  const auto other = start_host();
  fault([&](auto& one) { one.redirect = other->url() + "/file"; });
  tunesmith::testing::Fault expired;
  expired.path = "/file";
  expired.status = 403;
  expired.times = 1;
  other->set_faults({expired});
  EXPECT_EQ(outcome(fetch(file())), "");
  EXPECT_EQ(waits.size(), 1u);
}

TEST_F(DownloadTest, AFullDiskIsWaitedForByName) {
  const auto planned = tagged();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit full{.rlim_cur = 150'000, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
  on_wait = [&](const Failure&) { setrlimit(RLIMIT_FSIZE, &before); };
  const auto fetched = fetch(planned);
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  EXPECT_EQ(outcome(fetched), "");
  ASSERT_EQ(waits.size(), 1u);
  EXPECT_EQ(waits[0].reason, "DiskFull");
  EXPECT_THAT(waits[0].message, HasSubstr("MiB are free"));
  EXPECT_EQ(host->requests().at(1).range, "bytes=150000-");
}

TEST_F(DownloadTest, WhatCannotFitIsNotBegun) {
  auto planned = file();
  planned.set_size_bytes(std::uint64_t{1} << 60);
  std::stop_source stop;
  on_wait = [&](const Failure&) { stop.request_stop(); };
  EXPECT_EQ(outcome(fetch(planned, stop.get_token())), "Stopped");
  ASSERT_EQ(waits.size(), 1u);
  EXPECT_EQ(waits[0].reason, "DiskFull");
  EXPECT_TRUE(host->requests().empty());
}

TEST_F(DownloadTest, AFileThatNeverEndsIsCutOff) {
  FetchLimits limits;
  limits.max_bytes = 1000;
  const FileCache small(cache_folder(), http, clock, Log::silent(), limits, rules);
  EXPECT_EQ(outcome(small.fetch(file(), listener, {})), "ResponseTooLarge");
}

TEST_F(DownloadTest, TheDeadlineIsOfAllTriesTogether) {
  FetchLimits limits{.deadline = 50ms, .backoff = {.first = 1ms, .most = 5ms}};
  const FileCache hasty(cache_folder(), http, clock, Log::silent(), limits, rules);
  fault([](auto& one) { one.status = 503; });
  const auto fetched = hasty.fetch(file(), listener, {});
  // Under the name of what was tried last: on a slow machine that is a request cut short.
  EXPECT_TRUE(outcome(fetched) == "DataHostUnavailable" || outcome(fetched) == "TimedOut")
      << outcome(fetched);
  EXPECT_NE(fetched.error().message.find("gave up after all the time"), std::string::npos);
  EXPECT_EQ(fetched.error().failure_class, FailureClass::kPermanent);
}

// The run waits for room without a limit; an attempt that fails for good would end it.
TEST_F(DownloadTest, AFullDiskIsNoFailureForGoodWhenTheDeadlineIsOver) {
  auto planned = file();
  planned.set_size_bytes(std::uint64_t{1} << 60);
  const FetchLimits limits{.deadline = 50ms, .backoff = {.first = 1ms, .most = 5ms}};
  const FileCache hasty(cache_folder(), http, clock, Log::silent(), limits, rules);
  const auto fetched = hasty.fetch(planned, listener, {});
  EXPECT_EQ(outcome(fetched), "DiskFull");
  EXPECT_EQ(fetched.error().failure_class, FailureClass::kTransient);
}

TEST_F(DownloadTest, TheCredentialStaysWithTheHostOfTheUrl) {
  const auto other = start_host();
  tunesmith::testing::Fault asks, leads;
  asks.path = leads.path = "/file";
  asks.bearer_token = "s3cret";
  leads.redirect = other->url() + "/file";
  host->set_faults({asks, leads});
  const Access access{.secret = "team/data", .authorization = "Bearer s3cret"};
  EXPECT_EQ(outcome(fetch(tagged(), {}, access)), "");
  EXPECT_TRUE(host->requests().at(0).authorized);
  EXPECT_FALSE(other->requests().at(0).authorized);
}

}  // namespace
}  // namespace tunesmith::gpu_worker
