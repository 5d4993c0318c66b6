#include "simulation/faults.h"

#include <iterator>

#include "bus/event.h"

namespace tunesmith::simulation {

Faults::Faults(World& world, Cluster& cluster)
    : world_(world), cluster_(cluster), random_(world.options().seed, "faults") {}

// Each history has a weather of its own: what goes wrong often in one never does in the next, so
// that rare combinations come up as well as floods.
void Faults::make_plans(Time until) {
  Weather& weather = world_.weather();
  const auto maybe = [&](double chance, double most) {
    return random_.chance(chance) ? most * static_cast<double>(random_.below(100)) / 100 : 0.0;
  };
  weather.ack_loss = maybe(0.4, 0.3);
  weather.answer_loss = maybe(0.4, 0.05);
  weather.event_loss = maybe(0.25, 0.1);
  weather.slow = maybe(0.4, 0.1);
  weather.slow_most = random_.between(1, 10) * kSecond;
  weather.engine_crash = maybe(0.4, 0.6);
  weather.engine_stuck = maybe(0.1, 0.3);
  weather.death = maybe(0.6, 0.8);
  weather.stall = maybe(0.4, 0.8);
  if (random_.chance(0.4)) {
    static constexpr const char* kTargets[] = {
        "storing $KV.results", "storing $KV.plans",     "storing $KV.inventory", "$KV.current",
        "$KV.leases",          "tunesmith.v1.",         "PUT registry",          "$O.",
        "deleting OBJ_",       "$KV.workspaces.status", "answering +ACK",        "adapter-ready"};
    weather.target = kTargets[random_.below(std::size(kTargets))];
    weather.target_times = static_cast<int>(random_.between(1, 4));
    weather.target_dies = random_.chance(0.4);
  }
  const auto count = random_.chance(0.2) ? 0 : random_.between(1, 8);
  for (int i = 0; i < count; ++i) {
    const Time when = random_.between(1, until / kMillisecond) * kMillisecond;
    world_.scheduler().at(when, [this, until] {
      if (!over_) something(until);
    });
  }
}

Time Faults::outage() {
  const Time length = random_.chance(0.7) ? random_.between(1, 20) : random_.between(20, 200);
  return world_.now() + length * kSecond;
}

void Faults::something(Time until) {
  Weather& weather = world_.weather();
  const std::size_t service = random_.below(cluster_.size());
  switch (random_.below(10)) {
    case 0:
    case 1:
    case 2:
      return cluster_.kill(service);
    case 3:
      return cluster_.terminate(service);
    case 4:
      return cluster_.pause(service, world_.now() + random_.between(2, 90) * kSecond);
    case 5:
      cluster_.doom(service, static_cast<int>(random_.between(1, 7)));
      return cluster_.kill(service);
    case 6: {
      weather.bus_away_until = outage();
      weather.bus_stalls = random_.chance(0.5);
      world_.story().tell("bus", "is away");
      world_.scheduler().at(weather.bus_away_until, [this] {
        if (!world_.bus_is_up()) return;
        world_.story().tell("bus", "is back");
        world_.bus().back();
      });
      return;
    }
    case 7:
      weather.registry_away_until = outage();
      return world_.story().tell("registry", "is away");
    case 8:
      (random_.chance(0.5) ? weather.hub_away_until : weather.data_away_until) = outage();
      return world_.story().tell("hosts", "one is away");
    default: {
      world_.story().tell("bus", "somebody publishes garbage");
      const auto tokens = bus::all_event_tokens();
      world_.bus().store(bus::subject_of(tokens[random_.below(tokens.size())], "garbage"),
                         "\x01garbage", {{"ce-id", "garbage/" + std::to_string(world_.now())}}, "",
                         std::nullopt);
      static_cast<void>(until);
    }
  }
}

void Faults::end() {
  over_ = true;
  const bool was_up = world_.bus_is_up();
  world_.weather() = Weather();
  cluster_.spare_all();
  if (!was_up) world_.scheduler().at(world_.now(), [this] { world_.bus().back(); });
}

}  // namespace tunesmith::simulation
