// tunesmith-watcher: the source of Workspaces on one side, every event on the other, the status
// between them.
#include <thread>

#include "bus/connection.h"
#include "bus/serve.h"
#include "bus/topology.h"
#include "runtime/retry.h"
#include "runtime/service.h"
#include "watcher/handlers.h"

namespace tunesmith::watcher {

namespace {

constexpr int kConcurrency = 8;
constexpr std::chrono::milliseconds kUnhealthyAfter{
    90'000};  // without a word from the server while connected

// Follows keys of the bucket until the stop; a bucket that is gone is waited for.
void follow(bus::KeyValue& bucket, const Log& log, const std::string& pattern,
            const std::function<void(const bus::KeyValueEntry&)>& on_entry,
            const std::function<void()>& on_caught_up, const std::stop_token& stop) {
  Backoff backoff({.first = std::chrono::milliseconds(500)}, 1);
  while (!stop.stop_requested()) {
    const auto watched = bucket.watch(pattern, on_entry, on_caught_up, stop);
    if (watched) continue;
    log.warning("the source cannot be followed", {{"detail", watched.error().message}});
    wait_for(backoff.next(), stop);
  }
}

Result<void> run(ServiceContext& context) {
  const ReobserveTimes times{
      .after = context.config.duration("reobserve_after", std::chrono::minutes(1)),
      .most = context.config.duration("reobserve_most", std::chrono::minutes(10))};
  const auto connection_options = bus::ConnectionOptions::from_config(context.config, context.name);
  if (auto read = context.config.finish(); !read) return read;
  const std::stop_token stop = context.shutdown.token();
  const auto connection = bus::Connection::open(connection_options, context.log, stop);
  if (!connection) return tl::unexpected(connection.error());
  const auto workspaces = (*connection)->key_value(bus::bucket::kWorkspaces);
  if (!workspaces) return tl::unexpected(workspaces.error());
  const auto current = (*connection)->key_value(bus::bucket::kCurrent);
  if (!current) return tl::unexpected(current.error());

  const SystemClock clock;
  Metrics metrics(*context.registry);
  Handlers handlers({**workspaces, **current, **connection, clock, metrics, context.log}, times);

  // Events are folded once all objects are known: those of others are dropped.
  std::stop_source known;
  const std::jthread specs([&](const std::stop_token& own) {
    follow(
        **workspaces, context.log, "spec.>",
        [&](const bus::KeyValueEntry& entry) { handlers.on_spec(entry, own); },
        [&] {
          handlers.on_caught_up(own);
          known.request_stop();
        },
        own);
  });
  const std::jthread config_maps([&](const std::stop_token& own) {
    follow(
        **workspaces, context.log, "configmap.>",
        [&](const bus::KeyValueEntry& entry) { handlers.on_config_map(entry, own); }, [] {}, own);
  });
  {
    const std::stop_callback give_up(stop, [&] { known.request_stop(); });
    while (wait_for(std::chrono::hours(1), known.get_token())) {
    }
  }
  if (stop.stop_requested()) return {};

  const auto events =
      (*connection)
          ->consume({.service = context.name, .token = {}, .concurrency = kConcurrency},
                    [&](const bus::IncomingEvent& event, const std::stop_token&) {
                      return handlers.on_event(event);
                    });
  if (!events) return tl::unexpected(events.error());
  const auto dead_letters = (*connection)->collect_dead_letters([&](const bus::DeadLetter& letter) {
    return handlers.on_dead_letter(letter);
  });
  if (!dead_letters) return tl::unexpected(dead_letters.error());
  const std::jthread timer([&](const std::stop_token& own) { handlers.run_timer(own); });

  return bus::serve_until_shutdown(context, **connection, [&]() -> std::optional<std::string> {
    if (!(*connection)->connected()) return std::nullopt;  // a restart would not help
    if ((*events)->stats().since_last_round_trip < kUnhealthyAfter) return std::nullopt;
    return "no answer to a fetch";
  });
}

}  // namespace

}  // namespace tunesmith::watcher

int main(int argc, char** argv) {
  return tunesmith::run_service("watcher", argc, argv, tunesmith::watcher::run);
}
