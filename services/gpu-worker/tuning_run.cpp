#include "tuning_run.h"

#include <fmt/format.h>

#include <fstream>

#include "adapter_tar.h"
#include "bus/results.h"
#include "bus/standing_watch.h"
#include "job_file.h"
#include "runtime/any_stop.h"

namespace tunesmith::gpu_worker {
namespace {

namespace fs = std::filesystem;
using events::v1::AdapterReady;
using events::v1::TuningProgressed;

// Longest wait for checkpoints that are still being stored when the engine has ended.
constexpr std::chrono::seconds kUploadGrace{30};
constexpr std::chrono::seconds kUploadGraceAtStop{2};

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

std::uint64_t total_bytes(const events::v1::Plan& plan) {
  std::uint64_t total = 0;
  for (const auto& file : plan.tuning().model().files()) total += file.size_bytes();
  for (const auto& file : plan.tuning().data().files()) total += file.size_bytes();
  return total;
}

}  // namespace

TuningRun::TuningRun(const WorkerParts& parts, const Log& log, events::v1::NodesReady nodes,
                     std::string traceparent)
    : parts_(parts),
      log_(log.with({{"workspace", nodes.workspace().name()},
                     {"uid", nodes.workspace().uid()},
                     {"generation", nodes.workspace().generation()},
                     {"traceparent", traceparent}})),
      nodes_(std::move(nodes)),
      traceparent_(std::move(traceparent)),
      progress_(parts.publisher, parts.clock, log_, nodes_.workspace(), traceparent_,
                parts.options.progress_interval),
      checkpoints_(parts.objects, "ws-" + nodes_.workspace().uid(), nodes_.plan().tuning_key()) {}

RunEnd TuningRun::run(std::stop_token service_stop) {
  const bus::StandingWatch watch(parts_.current, workspace(), std::move(service_stop));
  auto folder = RunFolder::create(parts_.options.work_dir, workspace().uid());
  if (!folder) return folder.error();
  folder_ = std::make_unique<RunFolder>(std::move(*folder));
  return train_until_done(watch.token());
}

// One lease per attempt: its counter is the attempt. Another attempt follows whenever the engine
// died of something that may go away; three in a row that stored no checkpoint are taken as a sign
// that it will not.
RunEnd TuningRun::train_until_done(std::stop_token stop) {
  const std::string holder = fmt::format("{}/{}", parts_.options.node, getpid());
  bool inputs_are_here = false;
  int without_checkpoint = 0;
  while (!stop.stop_requested()) {
    auto lease =
        bus::acquire_lease(parts_.leases, workspace().uid(), holder, parts_.options.lease_times,
                           parts_.clock, log_, 2 * parts_.options.lease_times.duration, stop);
    if (!lease && lease.error().reason == "LeaseHeld") return HeldElsewhere{};
    if (!lease && stop.stop_requested()) return Stopped{};
    if (!lease) return lease.error();
    const ReleasedAtEnd released_at_end(**lease, log_);
    auto accepted = bus::accepted_result(parts_.results, workspace(), plan());
    if (accepted && *accepted) return Trained{std::move(**accepted)};

    const AnyStop attempt_stop(stop, (*lease)->lost());
    const std::uint64_t attempt = (*lease)->counter();
    const auto stored_before = checkpoints_stored_;
    progress_.set_attempt(attempt);
    if (!inputs_are_here) {
      auto fetched = fetch_inputs(attempt_stop.token());
      if (!fetched && attempt_stop.token().stop_requested()) continue;
      if (!fetched) return fetched.error();
      inputs_are_here = true;
    }
    auto end = one_attempt(attempt, attempt_stop.token());
    progress_.flush();
    if (!end) return end.error();
    if (auto* finished = std::get_if<EngineFinished>(&*end)) {
      parts_.metrics.attempt_ended("finished");
      auto ready = store(attempt, *finished, attempt_stop.token());
      if (ready) return Trained{std::move(*ready)};
      if (attempt_stop.token().stop_requested()) continue;
      end = ready.error();
    }
    const auto* failure = std::get_if<Failure>(&*end);
    if (failure == nullptr)
      continue;  // stopped: by the loop's condition, or the lease is taken anew
    parts_.metrics.attempt_ended(failure->reason);
    log_.warning("attempt failed",
                 {{"attempt", attempt}, {"reason", failure->reason}, {"detail", failure->message}});
    if (failure->failure_class == FailureClass::kPermanent) return *failure;
    previous_failure_ = *failure;
    without_checkpoint = checkpoints_stored_ > stored_before ? 0 : without_checkpoint + 1;
    if (without_checkpoint >= parts_.options.attempts_without_checkpoint) {
      return Failure{FailureClass::kPermanent, failure->reason,
                     fmt::format("{} attempts in a row ended without progress; the last one: {}",
                                 without_checkpoint, failure->message)};
    }
  }
  return Stopped{};
}

Result<void> TuningRun::fetch_inputs(std::stop_token stop) {
  TuningProgressed change;
  change.set_phase("Downloading");
  change.set_bytes_total(total_bytes(plan()));
  progress_.update(change);
  std::uint64_t before = 0;  // bytes of the files that are complete
  const auto fetch = [&](const events::v1::RemoteFile& file,
                         const fs::path& folder) -> Result<fs::path> {
    std::uint64_t here = 0;
    auto cached = parts_.files.fetch(
        file,
        [&](std::uint64_t bytes) {
          parts_.metrics.downloaded(bytes > here ? bytes - here : 0);
          here = bytes;
          TuningProgressed bytes_change;
          bytes_change.set_bytes_done(before + here);
          progress_.update(bytes_change);
        },
        stop);
    if (!cached) return cached;
    before += here;
    return place_file(*cached, folder, file.path());
  };
  for (const auto& file : plan().tuning().model().files()) {
    if (auto placed = fetch(file, folder_->model()); !placed) return tl::unexpected(placed.error());
  }
  data_.clear();
  for (const auto& file : plan().tuning().data().files()) {
    auto placed = fetch(file, folder_->data());
    if (!placed) return tl::unexpected(placed.error());
    data_.push_back(*placed);
  }
  return {};
}

Result<EngineEnd> TuningRun::one_attempt(std::uint64_t attempt, std::stop_token stop) {
  if (auto made = parts_.objects.create_bucket(bucket(), parts_.options.bucket_quota_bytes);
      !made) {
    return EngineEnd(made.error());
  }
  auto resumed = checkpoints_.get_newest(folder_->resume_file(), stop);
  if (!resumed) return EngineEnd(resumed.error());
  if (auto written = write_job(*resumed ? folder_->resume_file() : fs::path()); !written) {
    return EngineEnd(written.error());
  }
  EngineCommand command;
  command.executable = parts_.options.engine;
  command.job_file = folder_->job_file();
  command.log_file = folder_->engine_log();
  command.environment = {{"RANK", "0"}, {"LOCAL_RANK", "0"}, {"WORLD_SIZE", "1"}};
  command.silence_floor = parts_.options.engine_silence;

  CheckpointUploader uploader(checkpoints_, log_);
  EngineEnd end = run_engine(
      command, [&](const EngineLine& line) { hear(attempt, line, uploader); }, log_, stop);
  uploader.wait_until_idle(stop.stop_requested() ? kUploadGraceAtStop : kUploadGrace);
  checkpoints_stored_ += uploader.stored_count();
  return end;
}

Result<void> TuningRun::write_job(const fs::path& resume_from) {
  std::ofstream out(folder_->job_file(), std::ios::trunc);
  out << job_file(plan().tuning(), {.model_dir = folder_->model(),
                                    .data = data_,
                                    .work_dir = folder_->output(),
                                    .resume_from = resume_from,
                                    .checkpoint_interval = parts_.options.checkpoint_interval,
                                    .threads = parts_.options.threads});
  out.close();
  if (!out) return transient("DiskFull", "could not write " + folder_->job_file().string());
  return {};
}

void TuningRun::hear(std::uint64_t attempt, const EngineLine& line, CheckpointUploader& uploader) {
  TuningProgressed change;
  if (const auto* started = std::get_if<EngineStarted>(&line)) {
    announce_start(attempt, *started);
    change.set_phase("Training");
    change.set_step(started->resumed_step);
    change.set_total_steps(started->total_steps);
  } else if (const auto* step = std::get_if<EngineProgress>(&line)) {
    change.set_phase("Training");
    change.set_step(step->step);
    change.set_total_steps(step->total_steps);
    change.set_epoch(step->epoch);
    change.set_train_loss(step->loss);
    change.set_learning_rate(step->learning_rate);
    change.set_tokens_per_second(step->tokens_per_second);
    change.set_eta_seconds(step->eta_seconds);
  } else if (const auto* eval = std::get_if<EngineEval>(&line)) {
    change.set_eval_loss(eval->loss);
  } else if (const auto* checkpoint = std::get_if<EngineCheckpoint>(&line)) {
    uploader.offer(checkpoint->step, checkpoint->path);
    return;
  } else {
    return;  // the ends are judged when the process is gone
  }
  progress_.update(change);
}

void TuningRun::announce_start(std::uint64_t attempt, const EngineStarted& started) {
  events::v1::TuningStarted event;
  *event.mutable_workspace() = workspace();
  event.set_attempt(attempt);
  event.set_node(parts_.options.node);
  event.set_total_steps(started.total_steps);
  event.set_resumed_step(started.resumed_step);
  if (previous_failure_) *event.mutable_previous_failure() = bus::to_proto(*previous_failure_);
  auto sent =
      parts_.publisher.publish(bus::make_event(event, std::to_string(attempt), traceparent_));
  if (!sent) log_.warning("start not announced", {{"reason", sent.error().reason}});
}

Result<AdapterReady> TuningRun::store(std::uint64_t attempt, const EngineFinished& finished,
                                      std::stop_token stop) {
  TuningProgressed change;
  change.set_phase("Storing");
  progress_.update(change);
  if (auto packed = write_adapter_tar(finished.adapter_dir, folder_->archive()); !packed) {
    return tl::unexpected(packed.error());
  }
  const std::string name = fmt::format("adapter/{}/{}", plan().tuning_key(), attempt);
  auto object = parts_.objects.put_file(bucket(), name, folder_->archive(), stop);
  if (!object) return tl::unexpected(object.error());

  AdapterReady ready;
  *ready.mutable_workspace() = workspace();
  *ready.mutable_plan() = plan();
  auto& adapter = *ready.mutable_adapter();
  adapter.set_bucket(bucket());
  adapter.set_name(name);
  adapter.set_size_bytes(object->size_bytes);
  adapter.set_sha256(object->sha256);
  adapter.set_attempt(attempt);
  auto& result = *ready.mutable_result();
  result.set_steps(finished.steps);
  result.set_train_loss(finished.train_loss);
  result.set_eval_loss_before(finished.eval_loss_before);
  result.set_eval_loss_after(finished.eval_loss_after);
  result.set_seconds(finished.seconds);
  result.set_tokens(finished.tokens);
  result.set_peak_memory_bytes(finished.peak_memory_bytes);
  return accept(std::move(ready));
}

// The result is accepted once: who finds the key taken drops its own object and takes the accepted
// one.
Result<AdapterReady> TuningRun::accept(AdapterReady ready) {
  const std::string key = bus::result_key(workspace().uid(), plan().tuning_key());
  auto created = parts_.results.create(key, bus::encode_result(ready));
  if (!created && created.error().reason != "KeyExists") return tl::unexpected(created.error());
  if (created) {
    if (auto removed = checkpoints_.remove_all(); !removed) {
      log_.warning("checkpoints not removed", {{"reason", removed.error().reason}});
    }
    return ready;
  }
  auto accepted = bus::accepted_result(parts_.results, workspace(), plan());
  if (!accepted) return tl::unexpected(accepted.error());
  if (!*accepted) return transient("BusUnavailable", "the result vanished while it was read");
  if ((*accepted)->adapter().name() != ready.adapter().name()) {
    if (auto removed = parts_.objects.remove(bucket(), ready.adapter().name()); !removed) {
      log_.warning("late adapter not removed", {{"reason", removed.error().reason}});
    }
  }
  return std::move(**accepted);
}

}  // namespace tunesmith::gpu_worker
