#include "planner/setup.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "registry/registry_session.h"
#include "runtime/text.h"

namespace tunesmith::planner {
namespace {

Result<workspace::PresetCatalogue> catalogue_of(const std::string& file) {
  if (file.empty()) {
    return workspace::built_in_presets();
  }
  const auto text = read_file(file);
  if (!text) {
    return tl::unexpected(text.error());
  }
  return workspace::PresetCatalogue::parse(*text);
}

std::uint64_t machine_memory() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

HttpClientOptions guarded(HttpClientOptions options) {
  options.guard_addresses = true;
  return options;
}

ImageSourceOptions image_options(const Settings& settings) {
  ImageSourceOptions options;
  options.registry.insecure_registries = settings.insecure_registries;
  options.secrets_dir = settings.secrets_dir;
  options.work_dir = settings.work_dir;
  options.inspect = settings.inspect;
  options.look_bytes = settings.image_look_bytes;
  return options;
}

// What the provisioner wrote about its workers; of several nodes the largest memory and the fewest
// workers count. 0 = it has not written yet.
struct Workers {
  std::uint64_t memory_bytes = 0, count = 0;
};

Workers workers_of(bus::KeyValue& inventory) {
  Workers workers;
  const auto keys = inventory.keys(">");
  for (const auto& key : keys ? *keys : std::vector<std::string>{}) {
    const auto entry = inventory.get(key);
    if (!entry || !*entry) {
      continue;
    }
    const auto node = nlohmann::json::parse((*entry)->value, nullptr, false);
    const auto number = [&](const char* name) {
      const bool there = node.is_object() && node.contains(name) && node[name].is_number_unsigned();
      return there ? node[name].get<std::uint64_t>() : 0;
    };
    workers.memory_bytes = std::max(workers.memory_bytes, number("memory_bytes_per_worker"));
    const std::uint64_t count = number("workers");
    if (count > 0) {
      workers.count = workers.count == 0 ? count : std::min(workers.count, count);
    }
  }
  return workers;
}

}  // namespace

Settings Settings::from_config(ConfigReader& config) {
  Settings settings;
  settings.model_hub = config.text("model_hub", "https://huggingface.co");
  settings.inspect = config.text("inspect", "tunesmith-inspect");
  settings.presets_file = config.text("presets_file", "");
  settings.placement = config.text("placement", "local");
  settings.work_dir = config.text(
      "work_dir", (std::filesystem::temp_directory_path() / "tunesmith-planner").string());
  settings.memory_bytes =
      static_cast<std::uint64_t>(config.integer("memory_bytes", 0, 0, std::int64_t{1} << 50));
  settings.request_limit = config.duration("request_limit", std::chrono::seconds(30));
  settings.preflight_limit = config.duration("preflight_limit", std::chrono::minutes(10));
  settings.config_map_limit = config.duration("config_map_limit", std::chrono::minutes(10));
  settings.secrets_dir = config.text("secrets_dir", "");
  for (auto& registry : config.texts("insecure_registries", {})) {
    settings.insecure_registries.insert(std::move(registry));
  }
  settings.allowed_host_paths = config.texts("allowed_host_paths", {});
  settings.image_look_bytes = static_cast<std::uint64_t>(
      config.integer("image_look_bytes", 256 << 20, 0, std::int64_t{1} << 40));
  settings.allowed_data_paths = config.texts("allowed_data_paths", {});
  settings.http = HttpClientOptions::from_config(config);
  return settings;
}

Result<std::unique_ptr<Setup>> Setup::make(const Settings& settings) {
  if (settings.placement != "local") {
    return permanent("ConfigInvalid", "placement: expected 'local' (this machine), found '" +
                                          settings.placement + "'");
  }
  if (const auto hub = parse_url(settings.model_hub); !hub) {
    return permanent("ConfigInvalid", "model_hub: " + hub.error().message);
  }
  auto catalogue = catalogue_of(settings.presets_file);
  if (!catalogue) {
    return tl::unexpected(catalogue.error());
  }
  return std::unique_ptr<Setup>(new Setup(settings, *std::move(catalogue)));
}

Setup::Setup(const Settings& settings, workspace::PresetCatalogue catalogue)
    : settings_(settings),
      catalogue_(std::move(catalogue)),
      hub_http_(settings.http),
      data_http_(guarded(settings.http)),
      hub_(hub_http_, settings.model_hub),
      registry_http_(registry::guarded_for_registries(settings.http, settings.insecure_registries)),
      inspector_(settings.inspect, settings.work_dir),
      images_(image_options(settings), registry_http_) {
  validation_.nodes = workspace::NodeSource::kLocal;
  validation_.allowed_data_hosts = settings.http.allowed_hosts;
  validation_.allowed_host_paths = settings.allowed_host_paths;
  validation_.allowed_data_paths = settings.allowed_data_paths;
  validation_.presets = &catalogue_;
}

Inventory inventory_of(const Settings& settings, bus::KeyValue* inventory) {
  const Workers workers = inventory == nullptr ? Workers{} : workers_of(*inventory);
  std::uint64_t memory = settings.memory_bytes != 0 ? settings.memory_bytes : workers.memory_bytes;
  if (memory == 0) {
    memory = machine_memory();
  }
  const auto cores = std::max(1u, std::thread::hardware_concurrency());
  const auto sharers = static_cast<unsigned>(std::max<std::uint64_t>(1, workers.count));
  const auto cpuinfo = read_file("/proc/cpuinfo");
  return {.placement = settings.placement,
          .memory_bytes = memory,
          .speed = cpu_speed(cpuinfo.value_or(""), std::max(1u, cores / sharers))};
}

}  // namespace tunesmith::planner
