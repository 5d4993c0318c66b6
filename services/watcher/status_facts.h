// The facts that events tell about one generation of a Workspace, joined so that neither their
// order nor their repetition matters.
//
// Everything kept here is a least upper bound: earliest and latest times, the highest pass, the
// progress with the highest (attempt, sequence), the newest incidents. The status that people read
// is computed from it (status_render.h). It is stored inside the status document under the key
// `facts`, so that both are written at once.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "runtime/result.h"

namespace tunesmith::watcher {

// What one event adds.
struct Fact {
  std::string token;  // the event's name, or one of ours ("phase/Training")
  std::int64_t pass = 0;
  std::string time;                    // RFC 3339, UTC
  std::vector<std::uint64_t> order{};  // which data wins: the greatest (order, time)
  nlohmann::json data = nlohmann::json::object();
};

struct Incident {
  std::string key;  // the same for every telling of the same incident
  std::string time, reason, message;
};

// All that is known of one token.
struct Known {
  struct Seen {
    std::string first, last;  // times
  };
  std::map<std::int64_t, Seen> passes;  // the lowest and the seven highest
  std::vector<std::uint64_t> order;
  std::string data_time;
  std::int64_t data_pass = 0;
  nlohmann::json data;

  std::int64_t last_pass() const { return passes.rbegin()->first; }
  std::string last_time() const { return passes.rbegin()->second.last; }
  // The earliest time in a pass of at least `from`; empty when there is none.
  std::string first_since(std::int64_t from) const;
};

// A value; copies are independent.
class Facts {
 public:
  std::string uid;
  std::int64_t generation = 0;

  // Those in a status document; nothing when it holds none of ours.
  static std::optional<Facts> in(const nlohmann::json& status);
  nlohmann::json to_json() const;

  void add(const Fact& fact);
  void add(const Incident& incident);

  const Known* find(const std::string& token) const;
  std::vector<Incident> incidents() const;  // oldest first, at most kMostIncidents

  static constexpr std::size_t kMostPasses = 8;
  static constexpr std::size_t kMostIncidents = 40;

 private:
  std::map<std::string, Known> known_;
  std::map<std::string, Incident> incidents_;  // by key
};

}  // namespace tunesmith::watcher
