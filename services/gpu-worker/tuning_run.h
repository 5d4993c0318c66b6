// One Workspace's training on this worker, from the lease to the accepted result. Read run() top to
// bottom: it is the story.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <variant>

#include "bus/connection.h"
#include "bus/key_value.h"
#include "bus/lease.h"
#include "bus/log_stream.h"
#include "bus/object_store.h"
#include "checkpoints.h"
#include "engine_run.h"
#include "file_cache.h"
#include "image_data.h"
#include "log_shipper.h"
#include "metrics.h"
#include "progress.h"
#include "run_folder.h"
#include "runtime/clock.h"
#include "runtime/log.h"
#include "tunesmith/events/v1/nodes.pb.h"
#include "tunesmith/events/v1/tuning.pb.h"
#include "worker_options.h"

namespace tunesmith::gpu_worker {

// What a run works with. All outlive it.
struct WorkerParts {
  bus::Publisher& publisher;
  bus::KeyValue& current;
  bus::KeyValue& leases;
  bus::KeyValue& results;
  bus::ObjectStore& objects;
  bus::LogStream& logs;
  const FileCache& models;   // from the hub
  const FileCache& data;     // from wherever the user's URLs lead
  const FileCache& volumes;  // from folders of this machine
  const ImageData& images;
  const Clock& clock;
  Metrics& metrics;
  const WorkerOptions& options;
};

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
  void tell_waiting(const Failure& why);
  template <typename Attempt>
  auto with_room(std::stop_token stop, const Attempt& attempt) -> decltype(attempt());
  RunEnd attempt_under(bus::Lease& lease, std::stop_token stop);
  Result<void> fetch_inputs(std::stop_token stop);
  Result<std::filesystem::path> fetch(const FileCache& cache, const events::v1::RemoteFile& file,
                                      const std::filesystem::path& folder, const Access& access,
                                      std::stop_token stop);
  FetchListener listener(std::uint64_t& here);
  Result<void> fetch_volume(std::stop_token stop);
  Result<void> fetch_image(std::stop_token stop);
  Result<Access> access_to(AccessTo what, const std::string& secret, std::stop_token stop);
  EngineEnd run_engine_once(std::uint64_t attempt, std::stop_token stop);
  Result<void> write_job(const std::filesystem::path& resume_from);
  void hear(std::uint64_t attempt, const EngineLine& line, CheckpointUploader& uploader);
  void announce_start(std::uint64_t attempt, const EngineStarted& started);
  Result<events::v1::AdapterReady> store(std::uint64_t attempt, const EngineFinished& finished,
                                         std::stop_token stop);
  Result<events::v1::AdapterReady> accept(events::v1::AdapterReady ready);

  const events::v1::Plan& plan() const { return nodes_.plan(); }
  const events::v1::WorkspaceRef& workspace() const { return nodes_.workspace(); }
  std::string bucket() const { return "ws-" + workspace().uid(); }

  const WorkerParts& parts_;
  LogShipper shipper_;
  Log log_;  // heard by shipper_
  const events::v1::NodesReady nodes_;
  const std::string traceparent_;
  ProgressAnnouncer progress_;
  CheckpointStore checkpoints_;
  std::unique_ptr<RunFolder> folder_;
  std::vector<std::filesystem::path> data_;
  bool inputs_are_here_ = false;
  std::uint64_t bytes_before_ = 0;  // of the input files that are complete
  std::optional<Failure> previous_failure_;
  std::uint64_t best_step_ = 0;  // of all checkpoints that this run stored
};

}  // namespace tunesmith::gpu_worker
