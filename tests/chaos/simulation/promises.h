// What tunesmith promises, watched from outside: by what is stored on the bus, what engines run and
// what lies in the registry.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "simulation/cluster.h"
#include "simulation/person.h"
#include "simulation/world.h"
#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::simulation {

class Promises {
 public:
  Promises(World& world, const Cluster& cluster, const Person& person, int workers);

  // Looks at everything once more; called from time to time.
  void look(bool calm);
  // Whether every Workspace has reached its end. Those that have not, for people.
  bool all_ended() const;
  std::string not_ended() const;
  // At the end of a calm time: each status tells the truth.
  void check_truth();
  // Everything was deleted: nothing may be left.
  bool all_gone() const;
  void check_nothing_left();

 private:
  void stored(const Stream& stream, const Stored& message);
  void check_result(const std::string& key, const Stored& message);
  void check_plan(const std::string& key, const Stored& message);
  void check_inventory(const Stored& message);
  void check_current(const std::string& uid, const Stored& message);
  void check_pushed(const Stored& message);
  void check_dead_letter(const Stored& message);
  void engine_began(const std::string& uid);
  void engine_ended(const std::string& uid);
  std::size_t engines_of(const std::string& uid);
  void check_wait(const std::string& name, bool calm);
  void check_one(const std::string& name);
  void check_success(const std::string& name, const nlohmann::json& object,
                     const nlohmann::json& status);
  void check_failure(const std::string& name, const nlohmann::json& object,
                     const nlohmann::json& status);
  std::optional<events::v1::Plan> plan_of(const nlohmann::json& object) const;
  bool since_longer_than(const std::map<std::string, Time>& times, const std::string& key,
                         Time grace) const;

  World& world_;
  const Cluster& cluster_;
  const Person& person_;
  const int workers_;
  std::map<std::string, Time> results_;         // <uid>.<key> → since when it is accepted
  std::map<std::string, std::string> plans_;    // <uid>.<generation> → bytes
  std::map<std::string, Time> deleting_;        // uid → since when `current` says so
  std::map<std::string, Time> assigned_;        // uid → since when it has a worker
  std::map<std::string, std::string> digests_;  // tuning key → the image it became
  std::map<std::string, std::vector<const Process*>> engines_;  // uid → whose train it
  struct Seen {
    std::uint64_t revision = 0;
    std::string visible;
    Time since = 0;
  };
  std::map<std::string, Seen> statuses_;  // name → when what people see last changed
};

}  // namespace tunesmith::simulation
