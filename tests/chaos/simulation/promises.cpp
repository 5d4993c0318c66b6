#include "simulation/promises.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bus/current.h"
#include "bus/topology.h"
#include "simulation/network.h"
#include "tunesmith/events/v1/image.pb.h"
#include "tunesmith/events/v1/nodes.pb.h"

namespace tunesmith::simulation {

using nlohmann::json;

namespace {

// Between looking and acting a process may stand still, and others may be quicker. What is done in
// spite of something must not be done longer than this after it.
constexpr Time kGrace = 3 * kMinute;
// Longest time without a word to people about something that is not finished.
constexpr Time kSilenceCalm = 20 * kMinute;
constexpr Time kSilenceInTrouble = 40 * kMinute;
constexpr Time kZombie = 15 * kSecond;

bool is_finished(const json& status) {
  const std::string state = status.value("state", "");
  return state == "Succeeded" || state == "Failed";
}

bool is_suspended(const json& object) {
  const auto& metadata = object.at("metadata");
  return metadata.contains("annotations") &&
         metadata["annotations"].value("tunesmith.dev/suspend", "") == "true";
}

// What people see of a status.
std::string what_people_see(json status) {
  status.erase("facts");
  return status.dump();
}

std::string uid_of(const json& object) { return object.at("metadata").at("uid"); }

std::string header(const Stored& message, const char* name) {
  const auto found = message.headers.find(name);
  return found == message.headers.end() ? "" : found->second;
}

}  // namespace

Promises::Promises(World& world, const Cluster& cluster, const Person& person, int workers)
    : world_(world), cluster_(cluster), person_(person), workers_(workers) {
  world.bus().on_stored = [this](const Stream& stream, const Stored& message) {
    stored(stream, message);
  };
  world.engine_began = [this](const std::string& uid) { engine_began(uid); };
  world.engine_ended = [this](const std::string& uid) { engine_ended(uid); };
}

bool Promises::since_longer_than(const std::map<std::string, Time>& times, const std::string& key,
                                 Time grace) const {
  const auto found = times.find(key);
  return found != times.end() && world_.now() - found->second > grace;
}

void Promises::stored(const Stream& stream, const Stored& message) {
  if (world_.story().wanted()) {
    const std::string id = header(message, "ce-id");
    const bool removal = message.headers.contains("KV-Operation");
    if (!message.subject.starts_with("$KV.leases") && !message.subject.starts_with("$O.")) {
      world_.story().tell(world_.who(), "{} {}", removal ? "removes" : "stores",
                          id.empty() ? message.subject : id);
    }
  }
  const auto key = [&] { return message.subject.substr(message.subject.find('.', 4) + 1); };
  if (stream.name == "KV_results") return check_result(key(), message);
  if (stream.name == "KV_plans") return check_plan(key(), message);
  if (stream.name == "KV_inventory") return check_inventory(message);
  if (stream.name == "KV_current") return check_current(key(), message);
  if (stream.name == bus::kDeadLetterStream) return check_dead_letter(message);
  if (message.subject.starts_with("tunesmith.v1.image-pushed.")) check_pushed(message);
}

// One accepted result per tuning key.
void Promises::check_result(const std::string& key, const Stored& message) {
  if (message.headers.contains("KV-Operation")) {
    results_.erase(key);
    return;
  }
  if (!results_.try_emplace(key, world_.now()).second) {
    world_.violate("a second result was accepted for " + key);
  }
}

// A plan is made once.
void Promises::check_plan(const std::string& key, const Stored& message) {
  if (message.headers.contains("KV-Operation")) {
    plans_.erase(key);
    return;
  }
  if (!plans_.try_emplace(key, message.data).second) {
    world_.violate("a second plan was stored for " + key);
  }
}

// A worker is a purchase: none after the result exists, none after the deletion.
void Promises::check_inventory(const Stored& message) {
  const json state = json::parse(message.data);
  std::map<std::string, Time> now;
  for (const auto& claim : state.at("assigned")) {
    const std::string uid = claim.at("uid");
    const auto before = assigned_.find(uid);
    now[uid] = before == assigned_.end() ? world_.now() : before->second;
    if (before != assigned_.end()) continue;
    if (since_longer_than(deleting_, uid, kGrace)) {
      world_.violate("a worker was given to " + uid + ", which is deleted");
    }
    const auto plan = world_.bus().value(
        "plans", uid + "." + std::to_string(claim.at("generation").get<std::int64_t>()));
    events::v1::Plan read;
    if (plan && read.ParseFromString(*plan) &&
        since_longer_than(results_, uid + "." + read.tuning_key(), kGrace)) {
      world_.violate("a worker was given to " + uid + ", whose adapter exists");
    }
  }
  if (state.at("assigned").size() > static_cast<std::size_t>(workers_)) {
    world_.violate("more workers were given than there are");
  }
  assigned_ = std::move(now);
}

void Promises::check_current(const std::string& uid, const Stored& message) {
  if (message.headers.contains("KV-Operation")) {
    deleting_.try_emplace(uid, world_.now());
    return;
  }
  const auto current = bus::current_from_json(message.data);
  if (current && current->deleting) {
    deleting_.try_emplace(uid, world_.now());
  } else if (current && deleting_.contains(uid)) {
    world_.violate("`current` calls " + uid + " back from the dead");
  }
}

// The same adapter is the same image.
void Promises::check_pushed(const Stored& message) {
  events::v1::ImagePushed pushed;
  pushed.ParseFromString(message.data);
  const auto [known, is_new] = digests_.try_emplace(pushed.tuning_key(), pushed.digest());
  if (!is_new && known->second != pushed.digest()) {
    world_.violate("tuning key " + pushed.tuning_key().substr(0, 12) + " became two images");
  }
}

// Only what killed its handlers, or cannot be understood, deserves it.
void Promises::check_dead_letter(const Stored& message) {
  const std::string consumer = header(message, "Tunesmith-Consumer");
  const std::string reason = header(message, "Tunesmith-Reason");
  const auto sequence = std::stoull(header(message, "Tunesmith-Original-Sequence"));
  world_.story().tell("bus", "dead letter: {} of {} ({})", header(message, "ce-id"), consumer,
                      reason);
  if (header(message, "ce-id").find("garbage") != std::string::npos) return;
  if (reason == "DeliveriesExhausted" &&
      world_.bus().lost_deliveries(consumer, sequence) + world_.lost_notes() >= 5) {
    return;
  }
  world_.violate(fmt::format("{} became a dead letter of {} ({}: {}), {} deliveries were lost",
                             header(message, "ce-id"), consumer, reason,
                             header(message, "Tunesmith-Message"),
                             world_.bus().lost_deliveries(consumer, sequence)));
}

// Training costs: never for what is deleted or trained, never twice at once.
void Promises::engine_began(const std::string& uid) {
  world_.story().tell(world_.who(), "an engine begins to train {}", uid);
  engines_[uid].push_back(world_.scheduler().current_process());
  if (since_longer_than(deleting_, uid, kGrace)) {
    world_.violate("an engine trains " + uid + ", which is deleted");
  }
  if (engines_of(uid) < 2) return;
  // Who lost its lease ends its engine within seconds; who stands still cannot.
  world_.scheduler().at(world_.now() + kZombie, [this, uid] {
    if (engines_of(uid) >= 2 && cluster_.all_run_for(kZombie)) {
      world_.violate("two engines train " + uid + " at once");
    }
  });
}

void Promises::engine_ended(const std::string& uid) {
  world_.story().tell(world_.who(), "the engine of {} ends", uid);
  std::erase(engines_[uid], world_.scheduler().current_process());
}

// An engine dies with its agent.
std::size_t Promises::engines_of(const std::string& uid) {
  std::erase_if(engines_[uid], [](const Process* process) { return !process->alive; });
  return engines_[uid].size();
}

void Promises::look(bool calm) {
  for (const auto& name : person_.names()) check_wait(name, calm);
}

// No Workspace waits without a named reason.
void Promises::check_wait(const std::string& name, bool calm) {
  const auto object = person_.object(name);
  if (!object) {
    statuses_.erase(name);
    return;
  }
  Seen& seen = statuses_[name];
  const std::uint64_t revision =
      world_.bus().revision("workspaces", "status.default." + name) * 1'000'000 +
      world_.bus().revision("workspaces", "spec.default." + name);
  if (revision == seen.revision && seen.since != 0) {
    if (seen.visible.empty()) return;
  } else {
    const auto status = person_.status(name);
    const bool excused = status && (is_finished(*status) || status->contains("waiting"));
    std::string visible = excused ? "" : status ? what_people_see(*status) : "none";
    seen.revision = revision;
    if (visible != seen.visible || seen.since == 0) seen.since = world_.now();
    seen.visible = std::move(visible);
    if (seen.visible.empty()) return;
  }
  const Time bound = calm ? kSilenceCalm : kSilenceInTrouble;
  if (world_.now() - seen.since <= bound) return;
  world_.violate(fmt::format("{} waits for {} s, and its status does not say for what: {}", name,
                             (world_.now() - seen.since) / kSecond, seen.visible));
}

bool Promises::all_ended() const { return not_ended().empty(); }

std::string Promises::not_ended() const {
  for (const auto& name : person_.names()) {
    const auto object = person_.object(name);
    if (!object) continue;
    if (object->at("metadata").contains("deletionTimestamp")) return name + " is not cleaned";
    const auto status = person_.status(name);
    if (!status) return name + " has no status";
    if (status->value("observedGeneration", 0) != object->at("metadata").at("generation")) {
      return name + ": the status is of another generation";
    }
    if (is_suspended(*object)) {
      const bool says_so =
          status->contains("waiting") && status->at("waiting").value("reason", "") == "Suspended";
      if (!says_so && !is_finished(*status)) return name + ": the status does not say Suspended";
      if (assigned_.contains(uid_of(*object))) return name + " is suspended and has a worker";
      continue;
    }
    if (!is_finished(*status)) {
      return name + " is " + what_people_see(*status);
    }
  }
  return assigned_.empty() ? "" : "a worker is held for " + assigned_.begin()->first;
}

void Promises::check_truth() {
  for (const auto& name : person_.names()) check_one(name);
}

std::optional<events::v1::Plan> Promises::plan_of(const json& object) const {
  const auto stored = world_.bus().value(
      "plans", uid_of(object) + "." + object.at("metadata").at("generation").dump());
  events::v1::Plan plan;
  if (!stored || !plan.ParseFromString(*stored)) return std::nullopt;
  return plan;
}

void Promises::check_one(const std::string& name) {
  const auto object = person_.object(name);
  if (!object || is_suspended(*object)) return;
  const auto status = person_.status(name);
  if (!status) return;  // told by not_ended()
  if (status->value("state", "") == "Succeeded") return check_success(name, *object, *status);
  if (status->value("state", "") == "Failed") check_failure(name, *object, *status);
}

void Promises::check_success(const std::string& name, const json& object, const json& status) {
  const auto plan = plan_of(object);
  if (!plan) return world_.violate(name + " succeeded without a plan");
  const std::string image = object.at("tuning").at("output").at("image");
  const std::string local = image.substr(image.find('/') + 1);
  if (world_.registry().tuning_key_of(local) != plan->tuning_key()) {
    return world_.violate(name + " succeeded, and " + image + " holds something else");
  }
  const json output = status.value("output", json::object());
  if (output.value("image", "") != image ||
      output.value("digest", "") != world_.registry().digest_of(local)) {
    return world_.violate(name + " succeeded, and its status shows the output " + output.dump());
  }
  if (!results_.contains(uid_of(object) + "." + plan->tuning_key())) {
    world_.violate(name + " succeeded, and its result is gone");
  }
}

// Only for reasons that are true of this generation.
void Promises::check_failure(const std::string& name, const json& object, const json& status) {
  const std::string reason = status.at("failure").value("reason", "");
  const std::string url = object.at("tuning").at("input").at("urls").at(0);
  const std::string image = object.at("tuning").at("output").at("image");
  const auto plan = plan_of(object);
  const std::string held = world_.registry().tuning_key_of(image.substr(image.find('/') + 1));
  const bool deserved =
      (reason == "DataNotFound" && url.find("missing") != std::string::npos) ||
      (reason == "LossNotFinite" && url.find("unlearnable") != std::string::npos) ||
      (reason == "PushDenied" && image.find("/denied/") != std::string::npos) ||
      (reason == "OutputTagTaken" && plan && !held.empty() && held != plan->tuning_key());
  if (!deserved) {
    world_.violate(name + " failed for no good reason: " + status.at("failure").dump());
  }
}

bool Promises::all_gone() const {
  return std::none_of(person_.names().begin(), person_.names().end(),
                      [&](const std::string& name) { return person_.object(name).has_value(); });
}

void Promises::check_nothing_left() {
  for (const char* bucket : {"workspaces", "current", "plans", "leases", "results", "rendezvous"}) {
    for (const auto& key : world_.bus().keys(bucket)) {
      if (!key.starts_with("configmap.")) {
        world_.violate(std::string("left after the clean-up: ") + bucket + " " + key);
      }
    }
  }
  for (const auto& stream : world_.bus().names()) {
    if (stream.starts_with("OBJ_")) world_.violate("left after the clean-up: " + stream);
  }
  if (!assigned_.empty()) {
    world_.violate("left after the clean-up: a worker held for " + assigned_.begin()->first);
  }
}

}  // namespace tunesmith::simulation
