// What the planner works with, made from its configuration: the same for the service and for
// `tunesmith plan`.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bus/key_value.h"
#include "planner/image_source.h"
#include "planner/preflight.h"
#include "runtime/config.h"
#include "runtime/http_client.h"
#include "workspace/presets.h"
#include "workspace/validate.h"

namespace tunesmith::planner {

struct Settings {
  std::string model_hub, inspect, presets_file, placement;
  std::filesystem::path work_dir;
  std::uint64_t memory_bytes =
      0;  // of one worker; 0 = as the provisioner says, else of the machine
  std::chrono::milliseconds request_limit{}, preflight_limit{}, config_map_limit{};
  std::filesystem::path secrets_dir;            // empty = no Workspace can name a secret
  std::set<std::string> insecure_registries;    // host:port spoken to in plain HTTP
  std::vector<std::string> allowed_host_paths;  // folders for hostPath volumes
  std::uint64_t image_look_bytes = 0;           // see ImageSourceOptions::look_bytes
  std::vector<std::string> allowed_data_paths;  // folders for file:// URLs
  HttpClientOptions http;

  // Keys secrets_dir, insecure_registries, allowed_host_paths, allowed_data_paths,
  // image_look_bytes, model_hub, inspect, presets_file, placement, work_dir, memory_bytes,
  // request_limit, preflight_limit, config_map_limit, and those of HttpClientOptions.
  static Settings from_config(ConfigReader& config);
};

// Thread-safe. Neither copied nor moved: its parts refer to each other.
class Setup {
 public:
  // Permanent `ConfigInvalid`, `PresetsInvalid`, `FileUnreadable`.
  static Result<std::unique_ptr<Setup>> make(const Settings& settings);

  PreflightTools tools() const {
    return {hub_,
            data_http_,
            inspector_,
            &images_,
            settings_.secrets_dir,
            settings_.allowed_data_paths,
            settings_.allowed_host_paths};
  }
  const workspace::ValidationOptions& validation() const { return validation_; }
  const Settings& settings() const { return settings_; }

 private:
  Setup(const Settings& settings, workspace::PresetCatalogue catalogue);

  const Settings settings_;
  const workspace::PresetCatalogue catalogue_;
  const HttpClient hub_http_;   // the operator's word where the hub is
  const HttpClient data_http_;  // guards addresses
  const ModelHub hub_;
  const HttpClient registry_http_;  // guards addresses, but for the operator's registries
  const Inspector inspector_;
  const ImageSource images_;
  workspace::ValidationOptions validation_;
};

// Where it would run: as the provisioner wrote it into its bucket (nullptr = there is none), what
// it does not say is this machine's.
Inventory inventory_of(const Settings& settings, bus::KeyValue* inventory);

}  // namespace tunesmith::planner
