#include "simulation/world.h"

#include <nlohmann/json.hpp>

#include "bus/topology.h"
#include "simulation/network.h"

namespace tunesmith::simulation {
namespace {

World* the_world = nullptr;

// What a story calls an operation: without ids, so that places of death can be counted.
std::string kind_of(const std::string& what) {
  for (const char* prefix : {"$KV.", "tunesmith.v1.", "tunesmith.dlq.", "$O."}) {
    const auto at = what.find(prefix);
    if (at == std::string::npos) continue;
    const auto end = what.find('.', at + std::string_view(prefix).size());
    std::string kind = what.substr(0, end);
    if (std::string_view(prefix) == "$O.") kind = what.substr(0, at) + "$O";
    return kind;
  }
  return what;
}

}  // namespace

World* world() { return the_world; }

World::World(WorldOptions options)
    : options_(std::move(options)),
      scheduler_(options_.seed),
      story_(scheduler_, options_.story),
      bus_(*this) {
  the_world = this;
}

World::~World() { the_world = nullptr; }

Random& World::chance(const std::string& purpose) {
  return chances_.try_emplace(purpose, options_.seed, purpose).first->second;
}

std::string World::who() const {
  const Process* process = scheduler_.current_process();
  return process == nullptr ? "outside" : process->name;
}

Time World::lag() {
  Random& random = chance("lag");
  if (weather_.slow > 0 && random.chance(weather_.slow)) {
    return random.between(1, weather_.slow_most / kMillisecond) * kMillisecond;
  }
  return random.between(100, 5'000) * 1'000;
}

void World::meet_fate(const std::string& what, bool after) {
  Process* process = scheduler_.current_process();
  if (process == nullptr) return;
  if (weather_.target_times > 0 && what.find(weather_.target) != std::string::npos &&
      chance("target").chance(0.3)) {
    --weather_.target_times;
    process->fate = weather_.target_dies ? Process::Fate::kDies : Process::Fate::kStalls;
    process->fate_at = process->operations;
    process->fate_after_effect = after;
  }
  if (process->fate == Process::Fate::kNone) return;
  if (process->operations < process->fate_at || process->fate_after_effect != after) return;
  const bool stalls = process->fate == Process::Fate::kStalls;
  process->fate = Process::Fate::kNone;
  if (stalls) {
    process->paused_until = now() + chance("deaths").between(15, 90) * kSecond;
    story_.tell(process->name, "stands still for {} s {} {}",
                (process->paused_until - now()) / kSecond, after ? "right after" : "right before",
                what);
    return scheduler_.sleep(0);
  }
  ++deaths[process->name.substr(0, process->name.find('#')) + (after ? " after " : " before ") +
           kind_of(what)];
  story_.tell(process->name, "dies {} {}", after ? "right after" : "right before", what);
  scheduler_.kill(*process);
}

void World::before(const std::string& what) {
  Process* process = scheduler_.current_process();
  if (process != nullptr) ++process->operations;
  scheduler_.sleep(lag() / 2);
  meet_fate(what, false);
}

void World::after(const std::string& what) {
  meet_fate(what, true);
  scheduler_.sleep(lag() / 2);
}

natsStatus World::ask(const std::string& what, Time patience,
                      const std::function<natsStatus()>& effect) {
  before(what);
  const Time begun = now();
  if (!bus_is_up()) {
    if (chance("bus").chance(0.2)) effect();  // it was the last thing the server did
    scheduler_.sleep(std::min(patience, weather_.bus_away_until - now() + kMillisecond));
    return NATS_TIMEOUT;
  }
  const natsStatus status = effect();
  after(what);
  if (weather_.answer_loss > 0 && chance("bus").chance(weather_.answer_loss)) {
    scheduler_.sleep(std::max<Time>(0, begun + patience - now()));
    return NATS_TIMEOUT;
  }
  return status;
}

void World::send(const std::string& subject, std::string_view data) {
  Process* process = scheduler_.current_process();
  if (process != nullptr && !data.starts_with("+WPI")) {
    ++process->operations;
    meet_fate("answering " + std::string(data.substr(0, 4)), false);
    if (!bus_is_up()) return;
  }
  if (!bus_is_up() || chance("bus").chance(weather_.ack_loss)) {
    if (subject.starts_with(bus::kHandBackPrefix)) ++lost_notes_;
    return;
  }
  scheduler_.at(now() + lag(), [this, subject, what = std::string(data)] {
    if (!bus_is_up()) return;
    if (subject.starts_with("$JS.ACK.")) return bus_.answer(subject, what);
    bus_.store(subject, what, {}, "", std::nullopt);
  });
}

const Stored* World::read_last(const std::string& stream, const std::string& subject) {
  const Stored* found = bus_.last(stream, subject);
  if (stream == "KV_current" && mutated(Mutation::kCurrentFrozen)) {
    if (found == nullptr) return nullptr;
    return &first_seen_.try_emplace(subject, *found).first->second;
  }
  if (stream == "KV_leases" && mutated(Mutation::kLeasesShared) && found != nullptr) {
    const auto taken = found->data.find("\"released\":false");
    Stored& looks = first_seen_[subject] = *found;
    if (taken != std::string::npos) looks.data.replace(taken, 16, "\"released\":true");
    return &looks;
  }
  return found;
}

bool World::loses(const Stored& stored) {
  return weather_.event_loss > 0 && stored.subject.starts_with("tunesmith.v1.") &&
         chance("power").chance(weather_.event_loss);
}

void World::violate(const std::string& what) {
  if (violation_.empty()) violation_ = what;
  story_.tell("PROMISE BROKEN", "{}", what);
}

void World::hear_log(std::string_view line) {
  if (!story_.wanted()) return;
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object()) return;
  std::string text = json.value("message", "");
  for (const char* field : {"workspace", "reason", "detail", "failure", "step"}) {
    const auto found = json.find(field);
    if (found != json.end())
      text += " · " + (found->is_string() ? std::string(*found) : found->dump());
  }
  story_.tell(who(), "\"{}\"", text);
}

void World::tell_delivery(const std::string& durable, const Stored& stored,
                          std::uint64_t deliveries) {
  const auto id = stored.headers.find("ce-id");
  story_.tell(who(), "gets {} ({}{})", id == stored.headers.end() ? stored.subject : id->second,
              durable, deliveries == 1 ? "" : ", delivery " + std::to_string(deliveries));
}

const std::vector<Mutation::Named>& Mutation::all() {
  static const std::vector<Named> kAll = {
      {kResultsOverwritable, "results-overwritable"},
      {kPlansOverwritable, "plans-overwritable"},
      {kLeasesShared, "leases-shared"},
      {kCurrentFrozen, "current-frozen"},
      {kBucketsSurvive, "buckets-survive"},
      {kNoSecondLook, "no-second-look"},
      {kStatusLost, "status-lost"},
      {kReleasesForgotten, "releases-forgotten"},
      {kTagsLost, "tags-lost"},
  };
  return kAll;
}

Mutation::Kind Mutation::named(std::string_view name) {
  for (const Named& mutation : all()) {
    if (mutation.name == name) return mutation.kind;
  }
  return kNone;
}

}  // namespace tunesmith::simulation
