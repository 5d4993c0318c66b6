// What one run trains on: the model and the data of every kind (URLs, volumes, an image), fetched
// into its folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "download.h"
#include "file_cache.h"
#include "run_context.h"
#include "run_folder.h"
#include "runtime/access.h"
#include "runtime/result.h"
#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::gpu_worker {

// One thread at a time. `run` outlives it.
class Inputs {
 public:
  explicit Inputs(const RunContext& run) : run_(run) {}

  // Everything that the plan names; at once when an attempt before got it all. A missing secret and
  // a full disk are waited for. Failures as those of the caches and of ImageData; Permanent
  // `SecretMissing` (for too long), `PlanInvalid`; Transient `Stopped`.
  Result<void> fetch(const RunFolder& folder, std::stop_token stop);

  // The data files in the order of the plan, once fetch() succeeded.
  const std::vector<std::filesystem::path>& data() const { return data_; }

 private:
  Result<void> fetch_model(const RunFolder& folder, std::stop_token stop);
  Result<void> fetch_data(const RunFolder& folder, std::stop_token stop);
  Result<void> fetch_volume(const RunFolder& folder, std::stop_token stop);
  Result<void> fetch_image(const RunFolder& folder, std::stop_token stop);
  Result<std::filesystem::path> fetch_file(const FileCache& cache,
                                           const events::v1::RemoteFile& file,
                                           const std::filesystem::path& folder,
                                           const Access& access, std::stop_token stop);
  Result<Access> access_to(AccessTo what, const std::string& secret, std::stop_token stop);
  FetchListener listener(std::uint64_t& here);

  const RunContext& run_;
  std::vector<std::filesystem::path> data_;
  bool are_here_ = false;
  std::uint64_t bytes_before_ = 0;  // of the input files that are complete
};

}  // namespace tunesmith::gpu_worker
