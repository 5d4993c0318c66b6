#include "runtime/name_lookup.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace tunesmith {

struct NameLookup::Shared {
  explicit Shared(Resolver given) : resolver(std::move(given)) {}
  const Resolver resolver;
  std::atomic<int> under_way{0};
};

namespace {

using Answer = Result<std::vector<NetAddress>>;

struct Pending {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::optional<Answer> answer;
};

}  // namespace

NameLookup::NameLookup(Resolver resolver)
    : shared_(std::make_shared<Shared>(resolver ? std::move(resolver) : resolve_host)) {}

int NameLookup::under_way() const { return shared_->under_way.load(); }

Answer NameLookup::look_up(const std::string& host, std::chrono::milliseconds limit,
                           std::stop_token stop) const {
  if (auto numbers = numeric_host(host); !numbers.empty()) return numbers;
  if (shared_->under_way.fetch_add(1) >= kMost) {
    shared_->under_way.fetch_sub(1);
    return transient("ConnectionFailed", "the name " + host +
                                             " cannot be looked up: " + std::to_string(kMost) +
                                             " others are without an answer; is the resolver "
                                             "(/etc/resolv.conf) reachable?");
  }
  auto pending = std::make_shared<Pending>();
  std::thread([host, pending, shared = shared_] {
    auto answer = shared->resolver(host);
    shared->under_way.fetch_sub(1);
    const std::scoped_lock lock(pending->mutex);
    pending->answer = std::move(answer);
    pending->changed.notify_all();
  }).detach();
  std::unique_lock lock(pending->mutex);
  pending->changed.wait_for(lock, stop, limit, [&] { return pending->answer.has_value(); });
  if (pending->answer) return *std::move(pending->answer);
  if (stop.stop_requested()) return transient("Stopped", "was stopped");
  return transient("TimedOut", "the name " + host + " got no answer within " +
                                   std::to_string(limit.count()) + " ms");
}

}  // namespace tunesmith
