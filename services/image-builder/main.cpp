// tunesmith-image-builder: may we push there, and the adapter image into the registry.
#include <random>
#include <utility>

#include "bus/connection.h"
#include "bus/serve.h"
#include "bus/topology.h"
#include "image-builder/handlers.h"
#include "image-builder/push_folder.h"
#include "runtime/service.h"

namespace tunesmith::image_builder {

namespace {

// Events that wait for a secret or a registry hold none of these places (handlers.cpp, try_later).
// A push needs twice the adapter's size in work_dir.
constexpr int kChecksAtOnce = 16;
constexpr int kPushesAtOnce = 4;

BuilderOptions read_options(ConfigReader& config) {
  BuilderOptions options;
  options.secrets_dir = config.required_text("secrets_dir");
  options.work_dir = config.required_text("work_dir");
  options.check_limit = config.duration("check_limit", options.check_limit);
  options.secret_limit = config.duration("secret_limit", options.secret_limit);
  options.push_limit = config.duration("push_limit", options.push_limit);
  for (auto& folder : config.texts("allowed_host_paths", {})) {
    options.allowed_host_paths.emplace_back(std::move(folder));
  }
  for (auto& registry : config.texts("insecure_registries", {})) {
    options.registry.insecure_registries.insert(std::move(registry));
  }
  options.registry.seed = std::random_device()();
  options.azure = registry::AzureIdentity::from_environment(ConfigReader::process_environment());
  return options;
}

Result<void> run(ServiceContext& context) {
  const BuilderOptions options = read_options(context.config);
  const auto connection_options = bus::ConnectionOptions::from_config(context.config, context.name);
  const HttpClient http(HttpClientOptions::from_config(context.config));
  if (auto read = context.config.finish(); !read) return read;
  if (auto empty = empty_work_dir(options.work_dir); !empty) return empty;

  const auto connection =
      bus::Connection::open(connection_options, context.log, context.shutdown.token());
  if (!connection) return tl::unexpected(connection.error());
  const auto current = (*connection)->key_value(bus::bucket::kCurrent);
  if (!current) return tl::unexpected(current.error());

  const SystemClock clock;
  Metrics metrics(*context.registry);
  Handlers handlers(options, {http, **connection, **current, (*connection)->objects(), clock,
                              metrics, context.log});
  const auto consume = [&](const std::string& token, int concurrency, auto method) {
    return (*connection)
        ->consume({.service = context.name, .token = token, .concurrency = concurrency},
                  [&handlers, method](const bus::IncomingEvent& event, std::stop_token stop) {
                    return (handlers.*method)(event, std::move(stop));
                  });
  };
  const auto planned = consume(bus::token_of<events::v1::TuningPlanned>(), kChecksAtOnce,
                               &Handlers::on_tuning_planned);
  if (!planned) return tl::unexpected(planned.error());
  const auto ready = consume(bus::token_of<events::v1::AdapterReady>(), kPushesAtOnce,
                             &Handlers::on_adapter_ready);
  if (!ready) return tl::unexpected(ready.error());

  return bus::serve_until_shutdown(context, **connection);
}

}  // namespace

}  // namespace tunesmith::image_builder

int main(int argc, char** argv) {
  return tunesmith::run_service("image-builder", argc, argv, tunesmith::image_builder::run);
}
