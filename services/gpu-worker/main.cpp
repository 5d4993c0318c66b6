// gpu-worker: trains what NodesReady asks for, on this machine.
#include "bus/connection.h"
#include "bus/serve.h"
#include "bus/topology.h"
#include "handlers.h"
#include "registry/registry_session.h"
#include "runtime/service.h"

namespace tunesmith::gpu_worker {
namespace {

ImageDataOptions image_options(const WorkerOptions& options) {
  ImageDataOptions image;
  image.registry.insecure_registries = options.insecure_registries;
  image.secrets_dir = options.secrets_dir;
  image.inspect = options.inspect;
  image.data_limit = options.image_data_limit;
  image.secret_limit = options.secret_limit;
  return image;
}

Result<void> serve(ServiceContext& context) {
  const auto options = WorkerOptions::from_config(context.config);
  const auto hub_options = HttpClientOptions::from_config(context.config);
  const auto bus_options = bus::ConnectionOptions::from_config(context.config, context.name);
  if (auto valid = context.config.finish(); !valid) return valid;

  auto connection = bus::Connection::open(bus_options, context.log, context.shutdown.token());
  if (!connection) return tl::unexpected(connection.error());
  auto current = (*connection)->key_value(bus::bucket::kCurrent);
  auto leases = (*connection)->key_value(bus::bucket::kLeases);
  auto results = (*connection)->key_value(bus::bucket::kResults);
  for (const auto* bucket : {&current, &leases, &results}) {
    if (!*bucket) return tl::unexpected(bucket->error());
  }
  const SystemClock clock;
  // Data URLs are the users': they may not lead into this network, by redirects or names either.
  auto data_options = hub_options;
  data_options.guard_addresses = true;
  const HttpClient hub_http(hub_options);
  const HttpClient data_http(data_options);
  const FileCache models(options.cache_dir, hub_http, clock, context.log, options.fetch_limits,
                         {.from = AccessTo::kModelHub});
  const FileCache data(options.cache_dir, data_http, clock, context.log, options.fetch_limits,
                       {.from = AccessTo::kData, .allowed_data_paths = options.allowed_data_paths});
  const FileCache volumes(
      options.cache_dir, data_http, clock, context.log, options.fetch_limits,
      {.from = AccessTo::kData, .allowed_data_paths = options.allowed_host_paths});
  const HttpClient registry_http(
      registry::guarded_for_registries(hub_options, options.insecure_registries));
  const ImageData images(options.cache_dir, image_options(options), registry_http, clock,
                         options.fetch_limits);
  if (auto emptied = empty_work_dir(options.work_dir); !emptied) return emptied;
  Metrics metrics(*context.registry);
  const WorkerParts parts{**connection,
                          **current,
                          **leases,
                          **results,
                          (*connection)->objects(),
                          (*connection)->logs(),
                          models,
                          data,
                          volumes,
                          images,
                          clock,
                          metrics,
                          options};
  Handlers handlers(parts, context.log);
  auto consumer = (*connection)
                      ->consume({.service = context.name, .token = "nodes-ready"},
                                [&](const bus::IncomingEvent& event, std::stop_token stop) {
                                  return handlers.on_nodes_ready(event, stop);
                                });
  if (!consumer) return tl::unexpected(consumer.error());

  return bus::serve_until_shutdown(context, **connection);
}

}  // namespace
}  // namespace tunesmith::gpu_worker

int main(int argc, char** argv) {
  return tunesmith::run_service("gpu-worker", argc, argv, tunesmith::gpu_worker::serve);
}
