#include "worker_options.h"

#include <unistd.h>

#include <array>

namespace tunesmith::gpu_worker {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

}  // namespace

WorkerOptions WorkerOptions::from_config(ConfigReader& config) {
  WorkerOptions options;
  options.node = config.text("node", host_name());
  options.engine = config.required_text("engine");
  options.cache_dir = config.required_text("cache_dir");
  options.work_dir = config.required_text("work_dir");
  options.threads = static_cast<int>(config.integer("threads", 0, 0, 4096));
  options.checkpoint_interval = config.duration("checkpoint_interval", options.checkpoint_interval);
  options.engine_silence = config.duration("engine_silence", options.engine_silence);
  options.silent_steps =
      static_cast<int>(config.integer("silent_steps", options.silent_steps, 1, 1'000'000));
  options.checkpoint_cost =
      static_cast<int>(config.integer("checkpoint_cost", options.checkpoint_cost, 0, 1'000'000));
  options.lease_times = bus::LeaseTimes::from_config(config);
  options.attempts_without_checkpoint = static_cast<int>(
      config.integer("attempts_without_checkpoint", options.attempts_without_checkpoint, 1, 100));
  options.fetch_limits.deadline =
      config.duration("download_deadline", options.fetch_limits.deadline);
  options.secrets_dir = config.text("secrets_dir", "");
  options.allowed_data_paths = config.texts("allowed_data_paths", {});
  options.secret_limit = config.duration("secret_limit", options.secret_limit);
  options.allowed_host_paths = config.texts("allowed_host_paths", {});
  for (auto& registry : config.texts("insecure_registries", {})) {
    options.insecure_registries.insert(std::move(registry));
  }
  options.inspect =
      config.text("inspect", (options.engine.parent_path() / "tunesmith-inspect").string());
  options.image_data_limit = static_cast<std::uint64_t>(
      config.integer("image_data_limit", static_cast<std::int64_t>(options.image_data_limit), 1,
                     std::int64_t{1} << 50));
  return options;
}

}  // namespace tunesmith::gpu_worker
