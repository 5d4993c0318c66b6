// The end of a training: the adapter in the object store, and its result accepted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>

#include "checkpoints.h"
#include "engine_line.h"
#include "run_context.h"
#include "runtime/result.h"
#include "tunesmith/events/v1/tuning.pb.h"

namespace tunesmith::gpu_worker {

// Packs the adapter into `archive`, stores it as `adapter/<tuning key>/<attempt>` and has it
// accepted. The accepted result: ours, after which no checkpoint is left, or that of whoever was
// first, after which our object is gone. Room is waited for. Permanent `AdapterMissing`; Transient
// `Stopped`, `BusUnavailable`.
Result<events::v1::AdapterReady> store_adapter(const RunContext& run, CheckpointStore& checkpoints,
                                               std::uint64_t attempt,
                                               const EngineFinished& finished,
                                               const std::filesystem::path& archive,
                                               std::stop_token stop);

}  // namespace tunesmith::gpu_worker
