// One Workspace's training on this worker, from the lease to the accepted result. Read run() top to
// bottom: it is the story.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>

#include "bus/lease.h"
#include "checkpoints.h"
#include "engine_run.h"
#include "inputs.h"
#include "log_shipper.h"
#include "progress.h"
#include "run_context.h"
#include "run_folder.h"
#include "runtime/log.h"
#include "tunesmith/events/v1/nodes.pb.h"
#include "tunesmith/events/v1/tuning.pb.h"
#include "worker_parts.h"

namespace tunesmith::gpu_worker {

struct Trained {
  events::v1::AdapterReady ready;  // accepted: ours, or that of whoever was first
};
struct Stopped {};  // the service stops, the lease was lost, or this generation no longer counts
struct HeldElsewhere {};  // another worker holds the lease
using RunEnd = std::variant<Trained, Stopped, HeldElsewhere, Failure>;

class TuningRun {
 public:
  TuningRun(const WorkerParts& parts, const Log& log, events::v1::NodesReady nodes,
            std::string traceparent);

  // Blocks until the end. A permanent Failure was retried as often as makes sense; a transient one
  // kept the run from beginning.
  RunEnd run(std::stop_token stop);

 private:
  RunEnd train_until_done(std::stop_token stop);
  void note_lost_worker();
  RunEnd attempt_under(bus::Lease& lease, std::stop_token stop);
  EngineEnd run_engine_once(std::uint64_t attempt, std::stop_token stop);
  Result<void> write_job(const std::filesystem::path& resume_from);

  const events::v1::Plan& plan() const { return nodes_.plan(); }
  const events::v1::WorkspaceRef& workspace() const { return nodes_.workspace(); }

  const WorkerParts& parts_;
  LogShipper shipper_;
  Log log_;  // heard by shipper_
  const events::v1::NodesReady nodes_;
  const std::string traceparent_;
  ProgressAnnouncer progress_;
  const RunContext context_{parts_, log_, nodes_, traceparent_, progress_};
  CheckpointStore checkpoints_;
  Inputs inputs_{context_};
  std::unique_ptr<RunFolder> folder_;
  std::optional<Failure> previous_failure_;
  std::uint64_t best_step_ = 0;  // of all checkpoints that this run stored
};

}  // namespace tunesmith::gpu_worker
