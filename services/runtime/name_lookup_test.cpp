#include "runtime/name_lookup.h"

#include <gmock/gmock.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "runtime/http_client.h"

namespace tunesmith {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

// A resolver that answers when it is let.
class SilentResolver {
 public:
  ~SilentResolver() {
    std::unique_lock lock(mutex_);
    silent_ = false;
    changed_.notify_all();
    changed_.wait(lock, [&] { return inside_ == 0; });
  }
  NameLookup::Resolver function() {
    return [this](const std::string&) -> Result<std::vector<NetAddress>> {
      std::unique_lock lock(mutex_);
      ++inside_;
      ++asked_;
      changed_.notify_all();
      changed_.wait(lock, [&] { return !silent_; });
      --inside_;
      changed_.notify_all();
      return numeric_host("192.0.2.1");
    };
  }
  void wait_until_asked(int times) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return asked_ >= times; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool silent_ = true;
  int inside_ = 0, asked_ = 0;
};

TEST(NameLookup, GivesTheResolversAnswerAndAsksNobodyAboutNumbers) {
  const NameLookup names([](const std::string& host) -> Result<std::vector<NetAddress>> {
    if (host == "known") return numeric_host("192.0.2.7");
    return transient("ConnectionFailed", "no address");
  });
  EXPECT_EQ(names.look_up("known", 60s, {})->at(0).text, "192.0.2.7");
  EXPECT_EQ(names.look_up("other", 60s, {}).error().reason, "ConnectionFailed");
  EXPECT_EQ(names.look_up("198.51.100.1", 60s, {})->at(0).text, "198.51.100.1");
}

TEST(NameLookup, AStopEndsTheWaitForANameWithoutAnAnswer) {
  SilentResolver resolver;
  const HttpClient http({.resolve = resolver.function()});
  std::stop_source stop;
  std::jthread stopper([&] {
    resolver.wait_until_asked(1);
    stop.request_stop();
  });
  const auto answer = http.send({.url = "http://silent.example/", .stop = stop.get_token()});
  EXPECT_EQ(answer.error().reason, "Stopped");
}

TEST(NameLookup, ADeadlineEndsItToo) {
  SilentResolver resolver;
  const HttpClient http({.resolve = resolver.function()});
  const auto answer = http.send({.url = "http://silent.example/", .total_timeout = 50ms});
  EXPECT_EQ(answer.error().reason, "TimedOut");
  EXPECT_THAT(answer.error().message, HasSubstr("did not end within 50 ms"));
  const HttpClient impatient({.resolve = resolver.function(), .idle_timeout = 50ms});
  const auto silent = impatient.send({.url = "http://silent.example/"});
  EXPECT_EQ(silent.error().reason, "TimedOut");
  EXPECT_THAT(silent.error().message, HasSubstr("silent.example got no answer"));
  resolver.wait_until_asked(2);  // both threads are inside: none comes when it is gone
}

TEST(NameLookup, ADeadResolverCostsABoundedNumberOfThreads) {
  SilentResolver resolver;
  const NameLookup names(resolver.function());
  for (int i = 0; i < NameLookup::kMost; ++i) {
    EXPECT_EQ(names.look_up("silent.example", 0ms, {}).error().reason, "TimedOut");
  }
  resolver.wait_until_asked(NameLookup::kMost);
  const auto refused = names.look_up("silent.example", 60s, {});
  EXPECT_EQ(refused.error().reason, "ConnectionFailed");
  EXPECT_THAT(refused.error().message, HasSubstr("without an answer"));
  EXPECT_EQ(names.under_way(), NameLookup::kMost);
}

}  // namespace
}  // namespace tunesmith
