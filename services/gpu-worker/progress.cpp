#include "progress.h"

#include <fmt/format.h>

namespace tunesmith::gpu_worker {

ProgressAnnouncer::ProgressAnnouncer(bus::Publisher& publisher, Log log,
                                     events::v1::WorkspaceRef workspace, std::string traceparent,
                                     ProgressTimes times)
    : publisher_(publisher),
      log_(std::move(log)),
      traceparent_(std::move(traceparent)),
      pacer_(times) {
  *known_.mutable_workspace() = std::move(workspace);
  thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
}

ProgressAnnouncer::~ProgressAnnouncer() = default;

void ProgressAnnouncer::begin_attempt(std::uint64_t attempt) {
  const std::scoped_lock lock(mutex_);
  auto workspace = known_.workspace();
  known_.Clear();
  *known_.mutable_workspace() = std::move(workspace);
  known_.set_attempt(attempt);
}

void ProgressAnnouncer::update(const events::v1::TuningProgressed& change) {
  const std::scoped_lock lock(mutex_);
  known_.clear_waiting();
  known_.MergeFrom(change);
  pacer_.changed(known_.phase());
  changed_.notify_all();
}

void ProgressAnnouncer::flush() {
  std::unique_lock lock(mutex_);
  if (pacer_.anything_to_say()) announce(lock);
}

void ProgressAnnouncer::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const auto due = pacer_.due();
    if (due <= std::chrono::steady_clock::now()) {
      announce(lock);
    } else if (due == ProgressPacer::Time::max()) {
      changed_.wait(lock, stop, [&] { return pacer_.due() != due; });
    } else {
      changed_.wait_until(lock, stop, due, [&] { return pacer_.due() < due; });
    }
  }
}

// The lock is let go while the bus is spoken to.
void ProgressAnnouncer::announce(std::unique_lock<std::mutex>& lock) {
  known_.set_sequence(known_.sequence() + 1);
  pacer_.announced(std::chrono::steady_clock::now());
  const auto suffix = fmt::format("{}.{}", known_.attempt(), known_.sequence());
  const auto event = bus::make_event(known_, suffix, traceparent_);
  lock.unlock();
  if (auto sent = publisher_.publish(event); !sent) {
    log_.warning("progress not announced", {{"reason", sent.error().reason}});
  }
  lock.lock();
}

}  // namespace tunesmith::gpu_worker
