// One history: the simulated machine with its bus, its network and its processes, the faults that
// happen to them, the person who uses it, and those who watch that all promises are kept.
#pragma once

#include <nats/nats.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "simulation/bus_server.h"
#include "simulation/mutation.h"
#include "simulation/random.h"
#include "simulation/registry.h"
#include "simulation/scheduler.h"
#include "simulation/story.h"

namespace tunesmith::simulation {

inline constexpr Time kWallBegin = 1'772'323'200 * kSecond;  // 2026-03-01T00:00:00Z, since 1970
inline constexpr Time kSteadyBegin = 1'000'000 * kSecond;

struct WorldOptions {
  std::uint64_t seed = 0;
  bool story = false;
  Mutation::Kind mutation = Mutation::kNone;
  std::filesystem::path folder;  // for the services' files; exists and is empty
};

// What is away or slow at the moment. Times until which it lasts.
struct Weather {
  Time bus_away_until = 0;
  bool bus_stalls = false;  // it takes connections but does not answer
  Time registry_away_until = 0;
  Time hub_away_until = 0;
  Time data_away_until = 0;
  double ack_loss = 0;     // chance that an acknowledgement does not arrive
  double answer_loss = 0;  // chance that the answer of the bus or a host does not arrive
  double event_loss = 0;   // chance that a stored event is lost with the power
  double slow = 0;         // chance that something takes up to slow_most
  Time slow_most = 2 * kSecond;
  double engine_crash = 0, engine_stuck = 0;  // chance for each run of the engine
  double death = 0;                           // chance that a process is started with a death ahead
  double stall = 0;                           // or with a standstill
  // Operations of this kind are where fate strikes that often in this history: chance alone comes
  // too rarely to the few places where two processes can get into each other's way.
  std::string target{};
  int target_times = 0;
  bool target_dies = false;
};

class World {
 public:
  explicit World(WorldOptions options);
  ~World();

  const WorldOptions& options() const { return options_; }
  Scheduler& scheduler() { return scheduler_; }
  Time now() const { return scheduler_.now(); }
  BusServer& bus() { return bus_; }
  Registry& registry() { return registry_; }
  Story& story() { return story_; }
  Weather& weather() { return weather_; }
  // Streams of chance by purpose.
  Random& chance(const std::string& purpose);
  std::uint64_t new_number() { return ++numbers_; }
  bool mutated(Mutation::Kind kind) const {
    return kind != Mutation::kNone && options_.mutation == kind;
  }

  // A call to the bus: the way there, the effect, the way back. The caller may die on both ways,
  // and either way may be lost.
  natsStatus ask(const std::string& what, Time patience, const std::function<natsStatus()>& effect);
  void send(const std::string& subject, std::string_view data);
  // Notes of a hand-back that did not arrive: such a delivery looks like a death to the next
  // worker.
  std::uint64_t lost_notes() const { return lost_notes_; }
  const Stored* read_last(const std::string& stream, const std::string& subject);
  bool bus_is_up() const { return now() >= weather_.bus_away_until; }

  // Before and after an effect outside of the process: takes time, and may be the process's end.
  void before(const std::string& what);
  void after(const std::string& what);
  Time lag();
  bool loses(const Stored& stored);

  void hear_log(std::string_view line);
  void tell_delivery(const std::string& durable, const Stored& stored, std::uint64_t deliveries);
  std::string who() const;  // the process at hand

  // A promise was broken. The first one counts.
  void violate(const std::string& what);
  const std::string& violation() const { return violation_; }

  // Engines, as far as the world sees them: whose training begins and ends.
  std::function<void(const std::string& uid)> engine_began, engine_ended;
  // (service, operation, before or after) at which a process died.
  std::map<std::string, int> deaths;

 private:
  void meet_fate(const std::string& what, bool after);

  const WorldOptions options_;
  Scheduler scheduler_;
  Story story_;
  std::map<std::string, Random> chances_;
  Weather weather_;
  BusServer bus_;
  Registry registry_;
  std::uint64_t numbers_ = 0, lost_notes_ = 0;
  std::string violation_;
  std::map<std::string, Stored> first_seen_;  // what a frozen reader still sees
};

// The history that runs at the moment; nullptr outside.
World* world();

}  // namespace tunesmith::simulation
