// The adapter as one object: a POSIX ustar archive whose bytes depend on nothing but the files in
// it.
#pragma once

#include <filesystem>

#include "runtime/result.h"

namespace tunesmith::gpu_worker {

// Writes adapter_config.json and adapter_model.safetensors of `adapter_dir` (in that order; mode
// 0644, owner 0, time 0) to `archive`. Format: IEEE Std 1003.1, "ustar Interchange Format".
// Permanent `AdapterMissing` when a file is not there; Transient `DiskFull` when writing fails.
Result<void> write_adapter_tar(const std::filesystem::path& adapter_dir,
                               const std::filesystem::path& archive);

}  // namespace tunesmith::gpu_worker
