// tunesmith-planner: what a Workspace asks for becomes a plan, or a refusal with a reason.
#include "bus/connection.h"
#include "bus/serve.h"
#include "bus/topology.h"
#include "planner/handlers.h"
#include "planner/setup.h"
#include "runtime/service.h"

namespace tunesmith::planner {
namespace {

constexpr int kConcurrency = 16;

Result<void> run(ServiceContext& context) {
  const Settings settings = Settings::from_config(context.config);
  const auto bus_options = bus::ConnectionOptions::from_config(context.config, context.name);
  if (auto read = context.config.finish(); !read) {
    return read;
  }
  const auto setup = Setup::make(settings);
  if (!setup) {
    return tl::unexpected(setup.error());
  }
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
  Metrics metrics(*context.registry);
  Handlers handlers({.publisher = **connection,
                     .current = **current,
                     .plans = **plans,
                     .tools = (*setup)->tools(),
                     .validation = (*setup)->validation(),
                     .inventory = [&] { return inventory_of(settings, inventory->get()); },
                     .clock = clock,
                     .metrics = metrics,
                     .log = context.log,
                     .request_limit = settings.request_limit,
                     .preflight_limit = settings.preflight_limit,
                     .config_map_limit = settings.config_map_limit});
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
