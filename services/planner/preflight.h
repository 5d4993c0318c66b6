// Everything the planner asks of the world before anything is bought: model hub and data hosts,
// metadata only; registries and volumes.
#pragma once

#include "planner/image_source.h"
#include "planner/plan.h"

namespace tunesmith::planner {

// What it asks with. All outlive the call.
struct PreflightTools {
  const ModelHub& hub;
  const HttpClient& data_http;  // guards addresses
  const Inspector& inspector;
  const ImageSource* images = nullptr;  // nullptr: none can be looked at
  std::filesystem::path secrets_dir{};  // of the secrets that Workspaces name; empty = none
  std::vector<std::string> allowed_data_paths{};  // folders for file:// URLs
  std::vector<std::string> allowed_host_paths{};  // folders for hostPath volumes
};

// The named secrets first, then the model, then the data files in order: the first failure counts.
// Failures as those of read_access (Transient `SecretMissing` at once), ModelHub, read_model_shape,
// choose_files, probe, ImageSource, look_into_volume.
Result<Facts> preflight(const TuningRequest& request, const PreflightTools& tools,
                        const Patience& patience);

}  // namespace tunesmith::planner
