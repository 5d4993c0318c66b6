// What the operator sets of the image-builder.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <vector>

#include "registry/azure_exchange.h"
#include "registry/registry_session.h"

namespace tunesmith::image_builder {

struct BuilderOptions {
  std::filesystem::path secrets_dir;
  std::vector<std::filesystem::path> allowed_host_paths;  // for tuning.output.volumeSource
  std::filesystem::path work_dir;  // holds one adapter and one layer per push under way
  std::chrono::milliseconds check_limit{
      std::chrono::minutes(10)};  // of everything before PlanCleared
  std::chrono::milliseconds secret_limit{std::chrono::minutes(10)};  // for a missing push secret
  std::chrono::milliseconds push_limit{std::chrono::hours(2)};
  std::chrono::milliseconds progress_every{2'000};
  registry::RegistryOptions registry;
  std::optional<registry::AzureIdentity>
      azure;  // used for Azure registries that the push secret says nothing of
};

}  // namespace tunesmith::image_builder
