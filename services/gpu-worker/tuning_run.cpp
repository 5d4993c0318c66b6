#include "tuning_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "adapter_tar.h"
#include "bus/results.h"
#include "bus/standing_watch.h"
#include "job_file.h"
#include "runtime/any_stop.h"
#include "workspace/url_guard.h"

namespace tunesmith::gpu_worker {
namespace {

namespace fs = std::filesystem;
using events::v1::AdapterReady;
using events::v1::TuningProgressed;

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

// What ends by itself when somebody makes room. It is waited for without a limit, as a worker is.
bool lacks_room(const Failure& failure) {
  return failure.failure_class == FailureClass::kTransient &&
         (failure.reason == "DiskFull" || failure.reason == "StorageFull");
}

std::uint64_t total_bytes(const events::v1::Plan& plan) {
  std::uint64_t total = 0;
  for (const auto& file : plan.tuning().model().files()) total += file.size_bytes();
  const auto& data = plan.tuning().data();
  for (const auto& file : data.files()) total += file.size_bytes();
  for (const auto& file : data.volume().files()) total += file.size_bytes();
  for (const auto& layer : data.image().layers()) total += layer.size_bytes();
  return total;
}

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
      checkpoints_(parts.objects, "ws-" + nodes_.workspace().uid(), nodes_.plan().tuning_key()) {}

RunEnd TuningRun::run(std::stop_token service_stop) {
  const bus::StandingWatch watch(parts_.current, workspace(), std::move(service_stop));
  auto folder = with_room(watch.token(), [this] {
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
    (void)parts_.objects.delete_bucket(bucket());
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
      tell_waiting(*failure);
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

void TuningRun::tell_waiting(const Failure& why) {
  TuningProgressed change;
  *change.mutable_waiting() = bus::to_proto(why);
  progress_.update(change);
}

// Tries again for as long as there is no room for what `attempt` writes; the status says so
// meanwhile.
template <typename Attempt>
auto TuningRun::with_room(std::stop_token stop, const Attempt& attempt) -> decltype(attempt()) {
  Backoff backoff(parts_.options.attempt_backoff, std::hash<std::string>{}(workspace().uid()));
  while (true) {
    auto result = attempt();
    if (result || !lacks_room(result.error())) {
      if (backoff.tries() > 0) progress_.update({});  // waits no more
      return result;
    }
    log_.warning("waiting for room",
                 {{"reason", result.error().reason}, {"detail", result.error().message}});
    tell_waiting(result.error());
    if (!wait_for(backoff.next(), stop)) return transient("Stopped", "stopped without room");
  }
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
  if (auto fetched = fetch_inputs(token); !fetched) return stopped_or(fetched.error());
  EngineEnd end = run_engine_once(lease.counter(), token);
  progress_.flush();
  if (const auto* failure = std::get_if<Failure>(&end)) return stopped_or(*failure);
  if (std::holds_alternative<EngineStopped>(end)) return Stopped{};
  parts_.metrics.attempt_ended("finished");
  auto ready = store(lease.counter(), std::get<EngineFinished>(end), token);
  if (!ready) return stopped_or(ready.error());
  return Trained{std::move(*ready)};
}

Result<void> TuningRun::fetch_inputs(std::stop_token stop) {
  if (inputs_are_here_) return {};
  TuningProgressed change;
  change.set_phase("Downloading");
  change.set_bytes_total(total_bytes(plan()));
  progress_.update(change);
  bytes_before_ = 0;
  data_.clear();
  const auto& model = plan().tuning().model();
  const auto hub = access_to(AccessTo::kModelHub, model.access_secret(), stop);
  if (!hub) return tl::unexpected(hub.error());
  for (const auto& file : model.files()) {
    auto placed = fetch(parts_.models, file, folder_->model(), *hub, stop);
    if (!placed) return tl::unexpected(placed.error());
  }
  for (const auto& file : plan().tuning().data().files()) {
    const auto access = access_to(AccessTo::kData, file.secret(), stop);
    if (!access) return tl::unexpected(access.error());
    auto placed = fetch(parts_.data, file, folder_->data(), *access, stop);
    if (!placed) return tl::unexpected(placed.error());
    data_.push_back(*placed);
  }
  if (auto fetched = fetch_volume(stop); !fetched) return fetched;
  if (auto fetched = fetch_image(stop); !fetched) return fetched;
  log_.info("model and data are here", {{"bytes", bytes_before_}});
  inputs_are_here_ = true;
  return {};
}

// A secret that is missing is waited for: the planner had it, somebody may be changing it.
Result<Access> TuningRun::access_to(AccessTo what, const std::string& secret,
                                    std::stop_token stop) {
  const auto deadline = parts_.clock.steady_now() + parts_.options.secret_limit;
  Backoff backoff({.first = std::chrono::seconds(1), .most = std::chrono::seconds(10)}, 1);
  while (true) {
    auto access = read_access(parts_.options.secrets_dir, workspace().namespace_(), secret, what);
    if (access || access.error().failure_class != FailureClass::kTransient) return access;
    if (parts_.clock.steady_now() >= deadline) {
      return permanent(access.error().reason, access.error().message);
    }
    TuningProgressed change;
    *change.mutable_waiting() = bus::to_proto(access.error());
    progress_.update(change);
    if (!wait_for(backoff.next(), stop)) return transient("Stopped", "the run was stopped");
  }
}

Result<fs::path> TuningRun::fetch(const FileCache& cache, const events::v1::RemoteFile& file,
                                  const fs::path& folder, const Access& access,
                                  std::stop_token stop) {
  std::uint64_t here = 0;
  const FetchListener hears = listener(here);
  auto cached = with_room(stop, [&] { return cache.fetch(file, hears, stop, access); });
  if (!cached) return cached;
  bytes_before_ += here;
  return place_file(*cached, folder, file.path());
}

// Files of the machine go through the cache too: what is trained on is what was verified.
Result<void> TuningRun::fetch_volume(std::stop_token stop) {
  const auto& volume = plan().tuning().data().volume();
  std::error_code error;
  const bool is_folder = fs::is_directory(volume.path(), error);
  for (const auto& planned : volume.files()) {
    const fs::path source =
        is_folder ? fs::path(volume.path()) / planned.path() : fs::path(volume.path());
    events::v1::RemoteFile file;
    file.set_url(workspace::file_url(source.string()));
    file.set_path(fmt::format("{:05}-{}", data_.size(), source.filename().string()));
    file.set_size_bytes(planned.size_bytes());
    file.set_sha256(planned.sha256());
    auto placed = fetch(parts_.volumes, file, folder_->data(), {}, stop);
    if (!placed) return tl::unexpected(placed.error());
    data_.push_back(*placed);
  }
  return {};
}

Result<void> TuningRun::fetch_image(std::stop_token stop) {
  if (!plan().tuning().data().has_image()) return {};
  std::uint64_t here = 0;
  const FetchListener hears = listener(here);
  auto files = with_room(stop, [&] {
    return parts_.images.fetch(plan().tuning().data().image(), workspace().namespace_(),
                               folder_->data() / "image", hears, stop);
  });
  if (!files) return tl::unexpected(files.error());
  bytes_before_ += here;
  data_.insert(data_.end(), files->begin(), files->end());
  return {};
}

FetchListener TuningRun::listener(std::uint64_t& here) {
  return {.on_bytes =
              [this, &here](std::uint64_t bytes) {
                parts_.metrics.downloaded(bytes > here ? bytes - here : 0);
                here = bytes;
                TuningProgressed change;
                change.set_bytes_done(bytes_before_ + here);
                // Some hosts do not tell sizes: never more done than in all.
                change.set_bytes_total(std::max(total_bytes(plan()), bytes_before_ + here));
                progress_.update(change);
              },
          .on_waiting =
              [this](const Failure& why) {
                TuningProgressed change;
                *change.mutable_waiting() = bus::to_proto(why);
                progress_.update(change);
              }};
}

EngineEnd TuningRun::run_engine_once(std::uint64_t attempt, std::stop_token stop) {
  // Without a bound of its own: a bound is reserved whole, and four Workspaces would fill a disk.
  if (auto made = parts_.objects.create_bucket(bucket(), 0); !made) return made.error();
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
  EngineEnd end = run_engine(
      command, [&](const EngineLine& line) { hear(attempt, line, uploader); }, log_, stop);
  uploader.wait_until_idle(stop.stop_requested() ? kUploadGraceAtStop : kUploadGrace);
  best_step_ = std::max(best_step_, uploader.newest_stored());
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
  shipper_.engine_says(line);
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
  } else if (const auto* alive = std::get_if<EngineAlive>(&line)) {
    change.set_phase(alive->phase);
    change.set_step(alive->step);
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
  const auto packed =
      with_room(stop, [&] { return write_adapter_tar(finished.adapter_dir, folder_->archive()); });
  if (!packed) return tl::unexpected(packed.error());
  const std::string name = fmt::format("adapter/{}/{}", plan().tuning_key(), attempt);
  auto object = with_room(
      stop, [&] { return parts_.objects.put_file(bucket(), name, folder_->archive(), stop); });
  if (!object) return tl::unexpected(object.error());
  log_.info("adapter stored", {{"object", name}, {"bytes", object->size_bytes}});

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
  return with_room(stop, [&] { return accept(ready); });
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
