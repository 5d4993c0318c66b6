#include "watcher/handlers.h"

#include <functional>
#include <nlohmann/json.hpp>

#include "runtime/retry.h"
#include "tunesmith/events/v1/nodes.pb.h"
#include "tunesmith/events/v1/workspace.pb.h"
#include "watcher/status_fold.h"

namespace tunesmith::watcher {

using bus::Disposition;
using nlohmann::json;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kRetryAfter{1'000};  // after transient trouble

bool is_finished(const json& status) {
  const std::string state = status.is_object() ? status.value("state", "") : "";
  return state == "Succeeded" || state == "Failed";
}

// Every event names its Workspace in field 1; this one has nothing else.
Result<events::v1::WorkspaceRef> workspace_of(const bus::IncomingEvent& event) {
  auto decoded = bus::decode<events::v1::WorkspaceCleaned>(event);
  if (!decoded) return tl::unexpected(decoded.error());
  return decoded->workspace();
}

}  // namespace

Handlers::Handlers(Parts parts, ReobserveTimes times)
    : parts_(std::move(parts)),
      statuses_(parts_.workspaces, parts_.clock),
      source_(parts_.workspaces, parts_.current, parts_.publisher, statuses_, parts_.clock,
              parts_.log),
      schedule_(parts_.clock, times) {}

void Handlers::until_done(const std::function<Result<void>()>& act,
                          const std::stop_token& stop) const {
  Backoff backoff({.first = milliseconds(250), .most = milliseconds(5'000)}, 1);
  while (!stop.stop_requested()) {
    const auto done = act();
    if (done) return;
    parts_.log.warning("the source is not followed up yet",
                       {{"reason", done.error().reason}, {"detail", done.error().message}});
    if (done.error().failure_class != FailureClass::kTransient) return;
    wait_for(backoff.next(), stop);
  }
}

void Handlers::on_spec(const bus::KeyValueEntry& entry, std::stop_token stop) {
  until_done([&] { return source_.on_spec(entry); }, stop);
  const auto object =
      entry.deleted ? Result<SourceObject>(permanent("", "")) : read_object(entry.value);
  if (!object) return;
  auto status = statuses_.read(object->status_key());
  const bool finished = status && is_finished(*status) && !object->deleting &&
                        source_.is_up_to_date(*status, *object);
  const std::scoped_lock lock(mutex_);
  if (!finished) schedule_.watch(object->uid);
  parts_.metrics.unfinished(schedule_.size());
  schedule_changed_.notify_all();
}

void Handlers::on_config_map(const bus::KeyValueEntry& entry, std::stop_token stop) {
  until_done(
      [&]() -> Result<void> {
        const auto told = source_.on_config_map(entry);
        if (!told) return tl::unexpected(told.error());
        const std::scoped_lock lock(mutex_);
        for (const auto& uid : *told) schedule_.watch(uid);
        schedule_changed_.notify_all();
        return {};
      },
      stop);
}

void Handlers::on_caught_up(std::stop_token stop) {
  until_done([&] { return source_.on_caught_up(); }, stop);
}

bus::Disposition Handlers::on_event(const bus::IncomingEvent& event) {
  const auto workspace = workspace_of(event);
  if (!workspace) return Disposition::dead(workspace.error());
  if (event.token == bus::token_of<events::v1::WorkspaceCleaned>()) {
    if (auto cleaned = source_.on_cleaned(*workspace); !cleaned)
      return Disposition::retry(kRetryAfter);
    const std::scoped_lock lock(mutex_);
    schedule_.forget(workspace->uid());
    parts_.metrics.unfinished(schedule_.size());
    parts_.log.info("a Workspace is gone",
                    {{"workspace", workspace->namespace_() + "/" + workspace->name()}});
    return Disposition::done();
  }
  const auto object = source_.find(workspace->uid());
  if (!object) return Disposition::done();  // of an object that is no more
  return fold_event(*object, event);
}

bus::Disposition Handlers::fold_event(const SourceObject& object, const bus::IncomingEvent& event) {
  auto outcome = statuses_.apply(object.status_key(), is_progress(event.token),
                                 [&](const json& status) { return fold(status, event); });
  if (!outcome) {
    if (outcome.error().failure_class == FailureClass::kPoison) {
      return Disposition::dead(outcome.error());
    }
    parts_.log.warning("a status is not written yet", {{"event", event.id},
                                                       {"reason", outcome.error().reason},
                                                       {"detail", outcome.error().message}});
    return Disposition::retry(kRetryAfter);
  }
  if (outcome->written) parts_.metrics.status_written();
  const bool ours = event.token == bus::token_of<events::v1::WorkspaceObserved>() ||
                    event.token == bus::token_of<events::v1::WorkspaceDeleted>();
  if (auto told = source_.on_status(object, outcome->status); !told) {
    return Disposition::retry(kRetryAfter);
  }
  schedule(object.uid, outcome->status, ours, outcome->news);
  // The event is held until its status is written: the last one before a crash is not lost.
  if (outcome->wait) return Disposition::retry(*outcome->wait);
  parts_.metrics.folded(event.token);
  return Disposition::done();
}

void Handlers::schedule(const std::string& uid, const json& status, bool ours, bool news) {
  const auto object = source_.find(uid);
  const std::scoped_lock lock(mutex_);
  // A status that is finished may be of the object as it was before a change that is still to come.
  if (!object ||
      (is_finished(status) && !object->deleting && source_.is_up_to_date(status, *object))) {
    schedule_.forget(uid);
  } else if (ours) {
    schedule_.watch(uid);  // our own voice does not end the silence
  } else {
    schedule_.heard(uid, news);
  }
  parts_.metrics.unfinished(schedule_.size());
  schedule_changed_.notify_all();
}

bus::Disposition Handlers::on_dead_letter(const bus::DeadLetter& letter) {
  if (const auto object = source_.find(letter.event.uid)) {
    const auto outcome = statuses_.apply(object->status_key(), false, [&](const json& status) {
      return Result<json>(fold_dead_letter(status, letter));
    });
    if (!outcome) {
      parts_.log.warning("a dead letter is not in the status yet",
                         {{"event", letter.event.id}, {"detail", outcome.error().message}});
      return Disposition::retry(kRetryAfter);
    }
    // Nobody works on it any more: looked at soon, not after the pause of a long silence.
    schedule(object->uid, outcome->status, false, true);
  }
  parts_.metrics.dead_letter(letter.consumer);
  parts_.log.error("a dead letter", {{"event", letter.event.id},
                                     {"consumer", letter.consumer},
                                     {"reason", letter.failure.reason},
                                     {"dead_letter", static_cast<unsigned long>(letter.sequence)}});
  return Disposition::done();
}

std::optional<Clock::SteadyTime> Handlers::look_again() {
  std::vector<std::string> silent;
  {
    const std::scoped_lock lock(mutex_);
    silent = schedule_.due();
  }
  for (const auto& uid : silent) {
    if (auto told = source_.observe_again(uid); !told) {
      parts_.log.warning("a silent Workspace is not announced again",
                         {{"uid", uid}, {"detail", told.error().message}});
      continue;
    }
    parts_.metrics.reobserved();
  }
  const std::scoped_lock lock(mutex_);
  return schedule_.next();
}

void Handlers::run_timer(std::stop_token stop) {
  while (!stop.stop_requested()) {
    const auto next = look_again();
    std::unique_lock lock(mutex_);
    const auto changed = [&] { return schedule_.next() != next; };
    if (next) {
      schedule_changed_.wait_until(lock, stop, *next, changed);
    } else {
      schedule_changed_.wait(lock, stop, changed);
    }
  }
}

}  // namespace tunesmith::watcher
