// What is told of the lines that an engine says, and to whom: the log, the bus, the status, the
// store of checkpoints.
#pragma once

#include <cstdint>
#include <optional>

#include "checkpoints.h"
#include "engine_line.h"
#include "log_shipper.h"
#include "run_context.h"
#include "runtime/result.h"
#include "tunesmith/events/v1/tuning.pb.h"

namespace tunesmith::gpu_worker {

// What a line changes in the progress of the tuning; nothing for checkpoints and ends.
std::optional<events::v1::TuningProgressed> progress_of(const EngineLine& line);

// Of one attempt. One thread at a time. All that is handed in outlives it.
class EngineNews {
 public:
  // `previous`: why there was an attempt before, if there was.
  EngineNews(const RunContext& run, LogShipper& shipper, CheckpointUploader& uploader,
             std::uint64_t attempt, const std::optional<Failure>& previous)
      : run_(run), shipper_(shipper), uploader_(uploader), attempt_(attempt), previous_(previous) {}

  void hear(const EngineLine& line);

 private:
  void announce_start(const EngineStarted& started);

  const RunContext& run_;
  LogShipper& shipper_;
  CheckpointUploader& uploader_;
  const std::uint64_t attempt_;
  const std::optional<Failure>& previous_;
};

}  // namespace tunesmith::gpu_worker
