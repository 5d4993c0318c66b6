#include "tuning_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "adapter_result.h"
#include "bus/results.h"
#include "bus/standing_watch.h"
#include "engine_news.h"
#include "job_file.h"
#include "runtime/any_stop.h"

namespace tunesmith::gpu_worker {
namespace {

namespace fs = std::filesystem;

// Longest wait for checkpoints that are still being stored when the engine has ended.
constexpr std::chrono::seconds kUploadGrace{30};
constexpr std::chrono::milliseconds kUploadGraceAtStop{1'500};

// Gives the lease back at the end of an attempt, so that the next holder need not wait for its
// expiry.
class ReleasedAtEnd {
 public:
  ReleasedAtEnd(bus::Lease& lease, const Log& log) : lease_(lease), log_(log) {}
  ~ReleasedAtEnd() {
    if (auto released = lease_.release(); !released) {
      log_.warning("lease not released, it will expire", {{"reason", released.error().reason}});
    }
  }
  ReleasedAtEnd(const ReleasedAtEnd&) = delete;
  ReleasedAtEnd& operator=(const ReleasedAtEnd&) = delete;

 private:
  bus::Lease& lease_;
  const Log& log_;
};

// Ends the published log of an attempt before its lease is given back: a clean-up that then gets
// the lease finds nothing written behind it.
class ShippedToTheEnd {
 public:
  explicit ShippedToTheEnd(LogShipper& shipper) : shipper_(shipper) {}
  ~ShippedToTheEnd() { shipper_.end(); }
  ShippedToTheEnd(const ShippedToTheEnd&) = delete;
  ShippedToTheEnd& operator=(const ShippedToTheEnd&) = delete;

 private:
  LogShipper& shipper_;
};

// Removes a stopped run's folder before its lease is given back: a clean-up that then gets the
// lease leaves nothing on this machine either.
class FolderGoneWhenStopped {
 public:
  FolderGoneWhenStopped(std::unique_ptr<RunFolder>& folder, std::stop_token stop)
      : folder_(folder), stop_(std::move(stop)) {}
  ~FolderGoneWhenStopped() {
    if (stop_.stop_requested()) folder_.reset();
  }
  FolderGoneWhenStopped(const FolderGoneWhenStopped&) = delete;
  FolderGoneWhenStopped& operator=(const FolderGoneWhenStopped&) = delete;

 private:
  std::unique_ptr<RunFolder>& folder_;
  const std::stop_token stop_;
};

}  // namespace

TuningRun::TuningRun(const WorkerParts& parts, const Log& log, events::v1::NodesReady nodes,
                     std::string traceparent)
    : parts_(parts),
      shipper_(parts.logs, nodes.workspace().uid()),
      log_(log.with({{"workspace", nodes.workspace().name()},
                     {"uid", nodes.workspace().uid()},
                     {"generation", nodes.workspace().generation()},
                     {"traceparent", traceparent}})
               .with_listener([this](std::string_view line) { shipper_.agent_says(line); })),
      nodes_(std::move(nodes)),
      traceparent_(std::move(traceparent)),
      progress_(parts.publisher, log_, nodes_.workspace(), traceparent_,
                parts.options.progress_times),
      checkpoints_(parts.objects, context_.bucket(), plan().tuning_key()) {}

RunEnd TuningRun::run(std::stop_token service_stop) {
  const bus::StandingWatch watch(parts_.current, workspace(), std::move(service_stop));
  auto folder = context_.with_room(watch.token(), [this] {
    return RunFolder::create(parts_.options.work_dir, workspace().uid());
  });
  if (!folder) return watch.token().stop_requested() ? RunEnd(Stopped{}) : folder.error();
  folder_ = std::make_unique<RunFolder>(std::move(*folder));
  RunEnd end = train_until_done(watch.token());
  // A clean-up that found no lease may have passed before ours was taken: nothing may be left of
  // it.
  auto standing = bus::standing(parts_.current, workspace());
  if (standing && *standing == bus::Standing::kDeleting) {
    // Nor of what was stored after the clean-up had waited for the lease to expire.
    (void)parts_.results.remove(bus::result_key(workspace().uid(), plan().tuning_key()));
    (void)parts_.objects.delete_bucket(context_.bucket());
    (void)parts_.leases.remove(workspace().uid());
  }
  return end;
}

// One lease per attempt: its counter is the attempt. Another attempt follows whenever one died of
// something that may go away; three in a row that came no further are taken as a sign that it will
// not. Only the bus is waited for without counting: nothing can be told without it anyway.
RunEnd TuningRun::train_until_done(std::stop_token stop) {
  const std::string holder = fmt::format("{}/{}", parts_.options.node, getpid());
  Backoff backoff(parts_.options.attempt_backoff, std::hash<std::string>{}(workspace().uid()));
  int fruitless_attempts = 0;
  note_lost_worker();
  while (!stop.stop_requested()) {
    auto lease =
        bus::acquire_lease(parts_.leases, workspace().uid(), holder, parts_.options.lease_times,
                           parts_.clock, log_, 2 * parts_.options.lease_times.duration, stop);
    if (!lease && lease.error().reason == "LeaseHeld") return HeldElsewhere{};
    const auto best_before = best_step_;
    RunEnd end = lease ? attempt_under(**lease, stop) : RunEnd(lease.error());
    const auto* failure = std::get_if<Failure>(&end);
    if (std::holds_alternative<Trained>(end)) return end;
    if (failure == nullptr) continue;  // stopped, or the lease was lost and is taken anew
    if (failure->failure_class == FailureClass::kPermanent) return end;
    if (lacks_room(*failure)) {
      previous_failure_ = *failure;
      context_.tell_waiting(*failure);
    } else if (failure->reason != "BusUnavailable") {
      previous_failure_ = *failure;
      fruitless_attempts = best_step_ > best_before ? 0 : fruitless_attempts + 1;
      if (fruitless_attempts >= parts_.options.attempts_without_checkpoint) {
        return Failure{FailureClass::kPermanent, failure->reason,
                       fmt::format("{} attempts in a row ended without progress; the last one: {}",
                                   fruitless_attempts, failure->message)};
      }
    }
    wait_for(backoff.next(), stop);
  }
  return Stopped{};
}

// A lease that nobody gave back is what is left of a worker that died.
void TuningRun::note_lost_worker() {
  auto record = bus::read_lease(parts_.leases, workspace().uid());
  if (!record || !*record || (*record)->released) return;
  previous_failure_ = Failure{FailureClass::kTransient, "WorkerLost",
                              fmt::format("worker {} ended in the middle of attempt {}",
                                          (*record)->holder, (*record)->counter)};
}

RunEnd TuningRun::attempt_under(bus::Lease& lease, std::stop_token stop) {
  const ReleasedAtEnd released_at_end(lease, log_);
  const FolderGoneWhenStopped folder_gone(folder_, stop);
  const AnyStop attempt_stop(std::move(stop), lease.lost());
  const std::stop_token token = attempt_stop.token();
  const auto stopped_or = [&](const Failure& failure) {
    if (token.stop_requested()) return RunEnd(Stopped{});
    parts_.metrics.attempt_ended(failure.reason);
    log_.warning(
        "attempt failed",
        {{"attempt", lease.counter()}, {"reason", failure.reason}, {"detail", failure.message}});
    return RunEnd(failure);
  };
  auto accepted = bus::accepted_result(parts_.results, workspace(), plan());
  if (accepted && *accepted) return Trained{std::move(**accepted)};
  auto standing = bus::standing(parts_.current, workspace());
  if (!standing) return stopped_or(standing.error());
  if (*standing != bus::Standing::kCurrent) return Stopped{};

  const ShippedToTheEnd shipped(shipper_);
  shipper_.begin(lease.counter(), folder_->engine_log());
  log_.info("attempt begins", {{"node", parts_.options.node}, {"attempt", lease.counter()}});
  progress_.begin_attempt(lease.counter());
  if (auto fetched = inputs_.fetch(*folder_, token); !fetched) return stopped_or(fetched.error());
  EngineEnd end = run_engine_once(lease.counter(), token);
  progress_.flush();
  if (const auto* failure = std::get_if<Failure>(&end)) return stopped_or(*failure);
  if (std::holds_alternative<EngineStopped>(end)) return Stopped{};
  parts_.metrics.attempt_ended("finished");
  auto ready = store_adapter(context_, checkpoints_, lease.counter(), std::get<EngineFinished>(end),
                             folder_->archive(), token);
  if (!ready) return stopped_or(ready.error());
  return Trained{std::move(*ready)};
}

EngineEnd TuningRun::run_engine_once(std::uint64_t attempt, std::stop_token stop) {
  // Without a bound of its own: a bound is reserved whole, and four Workspaces would fill a disk.
  if (auto made = parts_.objects.create_bucket(context_.bucket(), 0); !made) return made.error();
  auto resumed = checkpoints_.get_newest(folder_->resume_file(), stop);
  if (!resumed) return resumed.error();
  best_step_ = std::max(best_step_, resumed->value_or(0));
  if (auto written = write_job(*resumed ? folder_->resume_file() : fs::path()); !written) {
    return written.error();
  }
  EngineCommand command;
  command.executable = parts_.options.engine;
  command.job_file = folder_->job_file();
  command.log_file = folder_->engine_log();
  command.environment = {{"RANK", "0"}, {"LOCAL_RANK", "0"}, {"WORLD_SIZE", "1"}};
  command.silence_floor = parts_.options.engine_silence;
  command.silent_steps = parts_.options.silent_steps;

  CheckpointUploader uploader(checkpoints_, parts_.clock, parts_.options.checkpoint_cost, log_);
  EngineNews news(context_, shipper_, uploader, attempt, previous_failure_);
  EngineEnd end = run_engine(
      command, [&](const EngineLine& line) { news.hear(line); }, log_, stop);
  uploader.wait_until_idle(stop.stop_requested() ? kUploadGraceAtStop : kUploadGrace);
  best_step_ = std::max(best_step_, uploader.newest_stored());
  return end;
}

Result<void> TuningRun::write_job(const fs::path& resume_from) {
  std::ofstream out(folder_->job_file(), std::ios::trunc);
  out << job_file(plan().tuning(), {.model_dir = folder_->model(),
                                    .data = inputs_.data(),
                                    .work_dir = folder_->output(),
                                    .resume_from = resume_from,
                                    .checkpoint_interval = parts_.options.checkpoint_interval,
                                    .threads = parts_.options.threads});
  out.close();
  if (!out) return transient("DiskFull", "could not write " + folder_->job_file().string());
  return {};
}

}  // namespace tunesmith::gpu_worker
