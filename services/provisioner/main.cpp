// tunesmith-provisioner: gives Workspaces a worker, takes it back, and cleans up after deleted
// ones.
#include <map>
#include <thread>
#include <utility>

#include "bus/connection.h"
#include "bus/serve.h"
#include "bus/topology.h"
#include "provisioner/handlers.h"
#include "provisioner/local_machine.h"
#include "provisioner/machine.h"
#include "runtime/retry.h"
#include "runtime/service.h"

namespace tunesmith::provisioner {
namespace {

constexpr int kConcurrency = 16;

struct Settings {
  std::string provider, node;
  std::uint32_t workers = 1;
  std::chrono::milliseconds cleanup_stuck_after{};
  bus::LeaseTimes lease_times;
};

Settings read_settings(ConfigReader& config) {
  Settings settings;
  settings.provider = config.text("provider", "local");
  settings.node = config.text("node", node_name());
  settings.workers = static_cast<std::uint32_t>(config.integer("workers", 1, 1, 1024));
  settings.cleanup_stuck_after = config.duration("cleanup_stuck_after", std::chrono::minutes(10));
  settings.lease_times = bus::LeaseTimes::from_config(config);
  return settings;
}

struct Buckets {
  std::map<std::string, std::unique_ptr<bus::KeyValue>> by_name;
  bus::KeyValue& operator[](const char* name) const { return *by_name.at(name); }
};

Result<Buckets> open_buckets(bus::Connection& connection) {
  Buckets buckets;
  for (const char* name :
       {bus::bucket::kCurrent, bus::bucket::kPlans, bus::bucket::kLeases, bus::bucket::kResults,
        bus::bucket::kRendezvous, bus::bucket::kInventory}) {
    auto bucket = connection.key_value(name);
    if (!bucket) {
      return tl::unexpected(bucket.error());
    }
    buckets.by_name.emplace(name, *std::move(bucket));
  }
  return buckets;
}

// Follows KV `current`: who is suspended, outdated or deleted loses the worker at once. At the
// start, and after each reconnect, everything that is held is compared.
void follow_current(bus::KeyValue& current, NodeProvider& nodes, const Log& log,
                    const std::stop_token& stop) {
  Backoff backoff({}, 1);
  bool caught_up = false;
  const auto reconcile = [&](const std::string& uid) {
    while (!stop.stop_requested()) {
      const auto done = nodes.reconcile(uid);
      if (done) {
        return backoff.reset();
      }
      log.warning("the inventory could not be compared",
                  {{"reason", done.error().reason}, {"detail", done.error().message}});
      wait_for(backoff.next(), stop);
    }
  };
  while (!stop.stop_requested()) {
    const auto watched = current.watch(
        ">",
        [&](const bus::KeyValueEntry& entry) {
          if (caught_up) {
            reconcile(entry.key);
          }
        },
        [&] {
          reconcile("");
          caught_up = true;
        },
        stop);
    if (!watched) {
      caught_up = false;
      wait_for(backoff.next(), stop);
    }
  }
}

class Consumers {
 public:
  Consumers(bus::Connection& connection, std::string service, Handlers& handlers)
      : connection_(connection), service_(std::move(service)), handlers_(handlers) {}

  template <typename Event>
  Result<void> add(bus::Disposition (Handlers::*method)(const bus::IncomingEvent&,
                                                        std::stop_token)) {
    auto consumer = connection_.consume(
        {.service = service_, .token = bus::token_of<Event>(), .concurrency = kConcurrency},
        [this, method](const bus::IncomingEvent& event, std::stop_token stop) {
          return (handlers_.*method)(event, std::move(stop));
        });
    if (!consumer) {
      return tl::unexpected(consumer.error());
    }
    consumers_.push_back(*std::move(consumer));
    return {};
  }

  Result<void> add_all() {
    for (const auto& added : {add<events::v1::PlanCleared>(&Handlers::on_plan_cleared),
                              add<events::v1::AdapterReady>(&Handlers::on_adapter_ready),
                              add<events::v1::TuningFailed>(&Handlers::on_tuning_failed),
                              add<events::v1::PlanRejected>(&Handlers::on_plan_rejected),
                              add<events::v1::ImagePushed>(&Handlers::on_image_pushed),
                              add<events::v1::WorkspaceDeleted>(&Handlers::on_workspace_deleted)}) {
      if (!added) {
        return added;
      }
    }
    return {};
  }

 private:
  bus::Connection& connection_;
  std::string service_;
  Handlers& handlers_;
  std::vector<std::unique_ptr<bus::Consumer>> consumers_;
};

Result<void> run(ServiceContext& context) {
  const Settings settings = read_settings(context.config);
  const auto bus_options = bus::ConnectionOptions::from_config(context.config, context.name);
  if (auto read = context.config.finish(); !read) {
    return read;
  }
  if (settings.provider != "local") {
    return permanent("ConfigInvalid", "provider: expected 'local' (this machine), found '" +
                                          settings.provider + "'");
  }
  const auto connection = bus::Connection::open(bus_options, context.log, context.shutdown.token());
  if (!connection) {
    return tl::unexpected(connection.error());
  }
  const auto buckets = open_buckets(**connection);
  if (!buckets) {
    return tl::unexpected(buckets.error());
  }
  const SystemClock clock;
  Metrics metrics(*context.registry);
  LocalMachine machine({.publisher = **connection,
                        .current = (*buckets)[bus::bucket::kCurrent],
                        .plans = (*buckets)[bus::bucket::kPlans],
                        .inventory = (*buckets)[bus::bucket::kInventory],
                        .leases = (*buckets)[bus::bucket::kLeases],
                        .clock = clock,
                        .metrics = metrics,
                        .log = context.log,
                        .node = settings.node,
                        .workers = settings.workers,
                        .memory_bytes_per_worker = memory_bytes() / settings.workers,
                        .lease_times = settings.lease_times});
  const CleanupParts cleanup{.plans = (*buckets)[bus::bucket::kPlans],
                             .results = (*buckets)[bus::bucket::kResults],
                             .leases = (*buckets)[bus::bucket::kLeases],
                             .rendezvous = (*buckets)[bus::bucket::kRendezvous],
                             .objects = (*connection)->objects(),
                             .logs = (*connection)->logs(),
                             .clock = clock,
                             .log = context.log,
                             .lease_times = settings.lease_times,
                             .lease_patience = 2 * settings.lease_times.duration};
  Handlers handlers({.publisher = **connection,
                     .current = (*buckets)[bus::bucket::kCurrent],
                     .results = (*buckets)[bus::bucket::kResults],
                     .objects = (*connection)->objects(),
                     .nodes = machine,
                     .cleanup = cleanup,
                     .metrics = metrics,
                     .log = context.log,
                     .cleanup_stuck_after = settings.cleanup_stuck_after});
  // Before the first event: what a killed predecessor held is compared with what counts now, and
  // the planner learns of the memory.
  if (auto reconciled = machine.reconcile(""); !reconciled) {
    return reconciled;
  }
  Consumers consumers(**connection, context.name, handlers);
  if (auto added = consumers.add_all(); !added) {
    return added;
  }
  const std::jthread follower([&](const std::stop_token& stop) {
    follow_current((*buckets)[bus::bucket::kCurrent], machine, context.log, stop);
  });
  return bus::serve_until_shutdown(context, **connection);
}

}  // namespace
}  // namespace tunesmith::provisioner

int main(int argc, char** argv) {
  return tunesmith::run_service("provisioner", argc, argv, tunesmith::provisioner::run);
}
