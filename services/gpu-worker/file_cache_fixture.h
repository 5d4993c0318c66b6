// For tests of the download cache: a host with faults on demand, and a cache in a folder of the
// test's own.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "file_cache.h"
#include "file_host/file_host.h"
#include "runtime/sha256.h"
#include "temp_folder.h"

namespace tunesmith::gpu_worker {

class CacheFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(folder / "www");
    serve(std::string(300'000, 'a') + "end");
    host = start_host();
  }

  std::unique_ptr<tunesmith::testing::FileHost> start_host() const {
    auto started = tunesmith::testing::FileHost::start({.root = folder / "www"});
    EXPECT_TRUE(started.has_value());
    return std::move(*started);
  }
  void serve(const std::string& text) {
    content = text;
    std::ofstream(folder / "www/file", std::ios::binary) << text;
  }
  // Of the file as it is served now.
  static std::string etag_of(const std::string& text) { return '"' + sha256_hex(text) + '"'; }
  events::v1::RemoteFile file() const {
    events::v1::RemoteFile planned;
    planned.set_url(host->url() + "/file");
    return planned;
  }
  events::v1::RemoteFile hashed() const {
    auto planned = file();
    planned.set_sha256(sha256_hex(content));
    return planned;
  }
  events::v1::RemoteFile tagged() const {
    auto planned = file();
    planned.set_etag(etag_of(content));
    planned.set_size_bytes(content.size());
    return planned;
  }
  void fault(const std::function<void(tunesmith::testing::Fault&)>& set) const {
    tunesmith::testing::Fault one;
    one.path = "/file";
    set(one);
    host->set_faults({one});
  }
  // The first answer ends early.
  void cut_once() const {
    fault([](auto& one) {
      one.cut_after = 100'000;
      one.times = 1;
    });
  }
  std::filesystem::path cache_folder() const { return folder / "cache"; }
  FileCache cache() const {
    const FetchLimits limits{
        .deadline = std::chrono::seconds(30),
        .backoff = {.first = std::chrono::milliseconds(1), .most = std::chrono::milliseconds(5)}};
    return {cache_folder(), http, clock, Log::silent(), limits, rules};
  }
  Result<std::filesystem::path> fetch(const events::v1::RemoteFile& planned,
                                      std::stop_token stop = {}, const Access& access = {}) {
    return cache().fetch(planned, listener, std::move(stop), access);
  }
  static std::string text_of(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // The reason; empty when it succeeded with what is served.
  std::string outcome(const Result<std::filesystem::path>& fetched) const {
    if (!fetched) return fetched.error().reason;
    EXPECT_EQ(text_of(*fetched), content);
    return "";
  }
  std::vector<std::string> cached(const std::string& ending) const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(cache_folder())) {
      if (entry.path().extension() == ending) found.push_back(entry.path().string());
    }
    return found;
  }

  testing_support::TempFolder temporary;
  const std::filesystem::path folder = temporary.path();
  std::string content;
  std::unique_ptr<tunesmith::testing::FileHost> host;
  SystemClock clock;
  HttpClient http{HttpClientOptions{.idle_timeout = std::chrono::milliseconds(200)}};
  CacheRules rules{.from = AccessTo::kData};
  std::vector<Failure> waits;
  std::function<void(const Failure&)> on_wait = [](const Failure&) {};
  FetchListener listener{.on_bytes = [](std::uint64_t) {},
                         .on_waiting =
                             [this](const Failure& why) {
                               waits.push_back(why);
                               on_wait(why);
                             }};
};

}  // namespace tunesmith::gpu_worker
