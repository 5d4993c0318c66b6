#include "progress.h"

#include <fmt/format.h>

namespace tunesmith::gpu_worker {

ProgressAnnouncer::ProgressAnnouncer(bus::Publisher& publisher, const Clock& clock, const Log& log,
                                     events::v1::WorkspaceRef workspace, std::string traceparent,
                                     std::chrono::milliseconds at_most_every)
    : publisher_(publisher),
      clock_(clock),
      log_(log),
      traceparent_(std::move(traceparent)),
      at_most_every_(at_most_every) {
  *known_.mutable_workspace() = std::move(workspace);
}

void ProgressAnnouncer::set_attempt(std::uint64_t attempt) {
  const std::scoped_lock lock(mutex_);
  auto workspace = known_.workspace();
  known_.Clear();  // an attempt begins with nothing known: its steps may be lower
  *known_.mutable_workspace() = std::move(workspace);
  known_.set_attempt(attempt);
}

void ProgressAnnouncer::update(const events::v1::TuningProgressed& change) {
  const std::scoped_lock lock(mutex_);
  const bool new_phase = !change.phase().empty() && change.phase() != known_.phase();
  known_.MergeFrom(change);
  held_back_ = true;
  const auto now = clock_.steady_now();
  if (new_phase || !announced_before_ || now - announced_at_ >= at_most_every_) announce_locked();
}

void ProgressAnnouncer::flush() {
  const std::scoped_lock lock(mutex_);
  if (held_back_) announce_locked();
}

void ProgressAnnouncer::announce_locked() {
  known_.set_sequence(known_.sequence() + 1);
  held_back_ = false;
  announced_before_ = true;
  announced_at_ = clock_.steady_now();
  const auto suffix = fmt::format("{}.{}", known_.attempt(), known_.sequence());
  if (auto sent = publisher_.publish(bus::make_event(known_, suffix, traceparent_)); !sent) {
    log_.warning("progress not announced", {{"reason", sent.error().reason}});
  }
}

}  // namespace tunesmith::gpu_worker
