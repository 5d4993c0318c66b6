// tunesmith-planner: what a Workspace asks for becomes a plan, or a refusal with a reason.
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "bus/connection.h"
#include "bus/serve.h"
#include "bus/topology.h"
#include "planner/handlers.h"
#include "runtime/service.h"
#include "runtime/text.h"

namespace tunesmith::planner {
namespace {

constexpr int kConcurrency = 16;

struct Settings {
  std::string model_hub, inspect, presets_file, placement;
  std::filesystem::path work_dir;
  std::uint64_t memory_bytes =
      0;  // of one worker; 0 = as the provisioner says, else of the machine
  std::chrono::milliseconds request_limit{}, preflight_limit{};
};

Settings read_settings(ConfigReader& config) {
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
  return settings;
}

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

// What the provisioner wrote about its workers: the largest counts. 0 = it has not written yet.
std::uint64_t inventory_memory(bus::KeyValue& inventory) {
  std::uint64_t most = 0;
  const auto keys = inventory.keys(">");
  for (const auto& key : keys ? *keys : std::vector<std::string>{}) {
    const auto entry = inventory.get(key);
    if (!entry || !*entry) {
      continue;
    }
    const auto node = nlohmann::json::parse((*entry)->value, nullptr, false);
    if (node.is_object() && node.contains("memory_bytes_per_worker") &&
        node["memory_bytes_per_worker"].is_number_unsigned()) {
      most = std::max(most, node["memory_bytes_per_worker"].get<std::uint64_t>());
    }
  }
  return most;
}

Result<void> check(const Settings& settings) {
  if (settings.placement != "local") {
    return permanent("ConfigInvalid", "placement: expected 'local' (this machine), found '" +
                                          settings.placement + "'");
  }
  if (const auto hub = parse_url(settings.model_hub); !hub) {
    return permanent("ConfigInvalid", "model_hub: " + hub.error().message);
  }
  return {};
}

Result<void> run(ServiceContext& context) {
  const Settings settings = read_settings(context.config);
  HttpClientOptions http_options = HttpClientOptions::from_config(context.config);
  const auto bus_options = bus::ConnectionOptions::from_config(context.config, context.name);
  if (auto read = context.config.finish(); !read) {
    return read;
  }
  if (auto valid = check(settings); !valid) {
    return valid;
  }
  const auto catalogue = catalogue_of(settings.presets_file);
  if (!catalogue) {
    return tl::unexpected(catalogue.error());
  }
  const HttpClient hub_http(http_options);  // the operator's word where the hub is
  http_options.guard_addresses = true;
  const HttpClient data_http(http_options);

  const auto connection = bus::Connection::open(bus_options, context.log, context.shutdown.token());
  if (!connection) {
    return tl::unexpected(connection.error());
  }
  const auto current = (*connection)->key_value(bus::bucket::kCurrent);
  const auto plans = (*connection)->key_value(bus::bucket::kPlans);
  const auto inventory = (*connection)->key_value(bus::bucket::kInventory);
  for (const auto* bucket : {&current, &plans, &inventory}) {
    if (!*bucket) {
      return tl::unexpected(bucket->error());
    }
  }
  const SystemClock clock;
  const ModelHub hub(hub_http, settings.model_hub);
  const Inspector inspector(settings.inspect, settings.work_dir);
  Metrics metrics(*context.registry);
  const auto where = [&]() -> Inventory {
    std::uint64_t memory = settings.memory_bytes;
    if (memory == 0) {
      memory = inventory_memory(**inventory);
    }
    return {settings.placement, memory != 0 ? memory : machine_memory()};
  };
  workspace::ValidationOptions validation;
  validation.nodes = workspace::NodeSource::kLocal;
  validation.allowed_data_hosts = http_options.allowed_hosts;
  validation.presets = &*catalogue;
  Handlers handlers({.publisher = **connection,
                     .current = **current,
                     .plans = **plans,
                     .tools = {hub, data_http, inspector},
                     .validation = validation,
                     .inventory = where,
                     .clock = clock,
                     .metrics = metrics,
                     .log = context.log,
                     .request_limit = settings.request_limit,
                     .preflight_limit = settings.preflight_limit});
  const auto consumer =
      (*connection)
          ->consume({.service = context.name,
                     .token = bus::token_of<events::v1::WorkspaceObserved>(),
                     .concurrency = kConcurrency},
                    [&](const bus::IncomingEvent& event, std::stop_token stop) {
                      return handlers.on_workspace_observed(event, std::move(stop));
                    });
  if (!consumer) {
    return tl::unexpected(consumer.error());
  }
  return bus::serve_until_shutdown(context, **connection);
}

}  // namespace
}  // namespace tunesmith::planner

int main(int argc, char** argv) {
  return tunesmith::run_service("planner", argc, argv, tunesmith::planner::run);
}
