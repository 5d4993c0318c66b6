#include "watcher/status_facts.h"

#include <algorithm>
#include <tuple>

namespace tunesmith::watcher {

using nlohmann::json;

namespace {

void join(Known::Seen& seen, const std::string& first, const std::string& last) {
  seen.first = std::min(seen.first, first);
  seen.last = std::max(seen.last, last);
}

Known known_from(const json& object) {
  Known known;
  for (const auto& [pass, times] : object.at("passes").items()) {
    known.passes[std::stoll(pass)] = {times.at(0).get<std::string>(),
                                      times.at(1).get<std::string>()};
  }
  if (known.passes.empty()) throw std::out_of_range("a fact without a pass");
  known.order = object.at("order").get<std::vector<std::uint64_t>>();
  known.data_time = object.at("dataTime").get<std::string>();
  known.data_pass = object.at("dataPass").get<std::int64_t>();
  known.data = object.at("data");
  return known;
}

json known_to(const Known& known) {
  json passes = json::object();
  for (const auto& [pass, seen] : known.passes) {
    passes[std::to_string(pass)] = {seen.first, seen.last};
  }
  return {{"passes", passes},
          {"order", known.order},
          {"dataTime", known.data_time},
          {"dataPass", known.data_pass},
          {"data", known.data}};
}

}  // namespace

std::string Known::first_since(std::int64_t from) const {
  std::string first;
  for (auto pass = passes.lower_bound(from); pass != passes.end(); ++pass) {
    if (first.empty() || pass->second.first < first) first = pass->second.first;
  }
  return first;
}

std::optional<Facts> Facts::in(const json& status) {
  if (!status.is_object() || !status.contains("facts")) return std::nullopt;
  try {
    const json& object = status.at("facts");
    Facts facts;
    facts.uid = object.at("uid").get<std::string>();
    facts.generation = object.at("generation").get<std::int64_t>();
    for (const auto& [token, known] : object.at("events").items()) {
      facts.known_.emplace(token, known_from(known));
    }
    for (const auto& [key, incident] : object.at("incidents").items()) {
      facts.incidents_.emplace(key, Incident{.key = key,
                                             .time = incident.at(0).get<std::string>(),
                                             .reason = incident.at(1).get<std::string>(),
                                             .message = incident.at(2).get<std::string>()});
    }
    return facts;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

json Facts::to_json() const {
  json events = json::object();
  for (const auto& [token, known] : known_) events[token] = known_to(known);
  json incidents = json::object();
  for (const auto& [key, incident] : incidents_) {
    incidents[key] = {incident.time, incident.reason, incident.message};
  }
  return {{"uid", uid}, {"generation", generation}, {"events", events}, {"incidents", incidents}};
}

void Facts::add(const Fact& fact) {
  Known& known = known_[fact.token];
  const auto [seen, is_new] =
      known.passes.try_emplace(fact.pass, Known::Seen{fact.time, fact.time});
  if (!is_new) join(seen->second, fact.time, fact.time);
  // The data of the greatest (order, pass, time); the text decides between equals, so that the
  // result never depends on who came first.
  const auto ours = std::make_tuple(fact.order, fact.pass, fact.time);
  const auto theirs = std::make_tuple(known.order, known.data_pass, known.data_time);
  const bool wins = known.data.is_null() || ours > theirs ||
                    (ours == theirs && fact.data.dump() > known.data.dump());
  if (wins) {
    known.order = fact.order;
    known.data_pass = fact.pass;
    known.data_time = fact.time;
    known.data = fact.data;
  }
  // The lowest stays, it tells when things began; of the others the highest.
  while (known.passes.size() > kMostPasses) known.passes.erase(std::next(known.passes.begin()));
}

void Facts::add(const Incident& incident) {
  const auto [known, is_new] = incidents_.try_emplace(incident.key, incident);
  const auto rank = [](const Incident& i) { return std::tie(i.time, i.reason, i.message); };
  if (!is_new && rank(incident) < rank(known->second)) known->second = incident;
  while (incidents_.size() > kMostIncidents) {
    incidents_.erase(
        std::min_element(incidents_.begin(), incidents_.end(), [](const auto& a, const auto& b) {
          return std::tie(a.second.time, a.first) < std::tie(b.second.time, b.first);
        }));
  }
}

const Known* Facts::find(const std::string& token) const {
  const auto found = known_.find(token);
  return found == known_.end() ? nullptr : &found->second;
}

std::vector<Incident> Facts::incidents() const {
  std::vector<Incident> all;
  all.reserve(incidents_.size());
  for (const auto& [key, incident] : incidents_) all.push_back(incident);
  std::sort(all.begin(), all.end(), [](const Incident& a, const Incident& b) {
    return std::tie(a.time, a.key) < std::tie(b.time, b.key);
  });
  return all;
}

}  // namespace tunesmith::watcher
