#include "simulation/person.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/apply_plan.h"
#include "runtime/text.h"
#include "simulation/network.h"

namespace tunesmith::simulation {

using nlohmann::json;

namespace {

constexpr const char* kWorkspaces = "workspaces";

std::string spec_key(const std::string& name) { return "spec.default." + name; }

}  // namespace

Person::Person(World& world) : world_(world), random_(world.options().seed, "person") {}

std::string Person::now_text() const {
  return rfc3339(
      std::chrono::system_clock::time_point(std::chrono::nanoseconds(kWallBegin + world_.now())));
}

std::optional<json> Person::object(const std::string& name) const {
  const auto stored = world_.bus().value(kWorkspaces, spec_key(name));
  if (!stored) return std::nullopt;
  return json::parse(*stored);
}

std::optional<json> Person::status(const std::string& name) const {
  const auto stored = world_.bus().value(kWorkspaces, "status.default." + name);
  if (!stored) return std::nullopt;
  return json::parse(*stored);
}

std::string Person::data_url() {
  const char* kind = random_.chance(0.04)   ? "missing"
                     : random_.chance(0.04) ? "unlearnable"
                                            : "good";
  return std::string("https://") + kDataHost + "/" + kind + "-" + std::to_string(random_.below(9)) +
         ".jsonl";
}

std::string Person::new_image(const std::string& name) {
  const char* team = random_.chance(0.03) ? "denied" : "team";
  return std::string(kRegistryHost) + "/" + team + "/" + name + ":" +
         std::to_string(world_.new_number());
}

json Person::new_manifest(const std::string& name) {
  json manifest = {{"apiVersion", "kaito.sh/v1beta1"},
                   {"kind", "Workspace"},
                   {"metadata", {{"name", name}, {"namespace", "default"}}},
                   {"resource", {{"labelSelector", {{"matchLabels", {{"app", "a"}}}}}}},
                   {"tuning",
                    {{"preset", {{"name", "smollm2-135m-instruct"}}},
                     {"method", "lora"},
                     {"input", {{"urls", {data_url()}}}},
                     {"output", {{"image", new_image(name)}, {"imagePushSecret", "push"}}}}}};
  if (random_.chance(0.15)) {
    manifest["tuning"]["config"] = "params";
    const Time when = world_.now() + random_.between(0, 90) * kSecond;
    world_.scheduler().at(when, [this] { apply_config_map(); });
  }
  return manifest;
}

void Person::apply_config_map() {
  if (world_.bus().value(kWorkspaces, "configmap.default.params")) return;
  world_.story().tell("person", "applies the ConfigMap params");
  world_.bus().put(
      kWorkspaces, "configmap.default.params",
      json{{"data", {{"training_config.yaml", "training_config:\n  LoraConfig:\n    r: 4\n"}}}}
          .dump());
}

void Person::make_plans(Time until) {
  const auto count = random_.chance(0.6) ? 1 : random_.between(2, 3);
  for (int i = 1; i <= count; ++i) {
    const std::string name = "w" + std::to_string(i);
    names_.push_back(name);
    const Time begin = random_.between(0, 60) * kSecond;
    world_.scheduler().at(begin, [this, name] { create(name); });
    const auto actions = random_.chance(0.35) ? 0 : random_.between(1, 4);
    for (int k = 0; k < actions; ++k) {
      const Time when =
          begin +
          random_.between(1, std::max<Time>(2, (until - begin) / kMillisecond)) * kMillisecond;
      world_.scheduler().at(when, [this, name] { act(name); });
    }
  }
}

void Person::create(const std::string& name) {
  manifests_[name] = new_manifest(name);
  apply(manifests_[name], "applies");
}

void Person::act(const std::string& name) {
  const auto stored = object(name);
  if (!stored) return create(name);
  if (stored->at("metadata").contains("deletionTimestamp")) {
    // As soon as the name is free.
    world_.scheduler().at(world_.now() + 2 * kSecond, [this, name] {
      if (!object(name)) create(name);
    });
    return;
  }
  switch (random_.below(7)) {
    case 0:
    case 1:
      return edit(name);
    case 2:
      return edit_output(name);
    case 3:
      return annotate(name, "tunesmith.dev/suspend", "true");
    case 4:
      return annotate(name, "tunesmith.dev/suspend", std::nullopt);
    case 5:
      return retry(name);
    default:
      remove(name);
      if (random_.chance(0.6)) act(name);
  }
}

void Person::edit(const std::string& name) {
  json& manifest = manifests_[name];
  manifest["tuning"]["input"]["urls"] = {data_url()};
  if (random_.chance(0.8)) manifest["tuning"]["output"]["image"] = new_image(name);
  apply(manifest, "edits");
}

void Person::edit_output(const std::string& name) {
  manifests_[name]["tuning"]["output"]["image"] = new_image(name);
  apply(manifests_[name], "edits the output of");
}

void Person::annotate(const std::string& name, const char* annotation,
                      std::optional<std::string> value) {
  json& metadata = manifests_[name]["metadata"];
  if (value) metadata["annotations"][annotation] = *value;
  if (!value && metadata.contains("annotations")) metadata["annotations"].erase(annotation);
  apply(manifests_[name], value ? "suspends" : "resumes");
}

void Person::apply(const json& manifest, const char* what) {
  const std::string name = manifest["metadata"]["name"];
  const auto stored = object(name);
  const std::string uid = fmt::format("{:08x}-{}", random_.next() & 0xffffffffu, name);
  const auto plan =
      cli::plan_apply_workspace(manifest, stored ? &*stored : nullptr, uid, now_text());
  if (!plan || plan->change == cli::Change::kUnchanged) return;
  const json metadata = json::parse(plan->object_json)["metadata"];
  world_.story().tell("person", "{} {} ({}, generation {}, to {})", what, name,
                      metadata["uid"].get<std::string>(), metadata["generation"].dump(),
                      manifest["tuning"]["output"]["image"].get<std::string>());
  uids_[metadata["uid"]] = name;
  world_.bus().put(kWorkspaces, spec_key(name), plan->object_json);
}

void Person::retry(const std::string& name) {
  const auto stored = object(name);
  if (!stored) return;
  const auto retried = cli::plan_retry(*stored, (kWallBegin + world_.now()) / kSecond);
  if (!retried) return;
  world_.story().tell("person", "retries {}", name);
  world_.bus().put(kWorkspaces, spec_key(name), *retried);
}

void Person::remove(const std::string& name) {
  const auto stored = object(name);
  if (!stored) return;
  const auto deleted = cli::plan_delete(*stored, now_text());
  if (!deleted) return;
  world_.story().tell("person", "deletes {}", name);
  world_.bus().put(kWorkspaces, spec_key(name), *deleted);
}

int Person::retry_what_failed() {
  int retried = 0;
  for (const auto& name : names_) {
    const auto now = status(name);
    if (!now || now->value("state", "") != "Failed") continue;
    if (!is_temporary(now->at("failure").value("reason", ""))) continue;
    retry(name);
    ++retried;
  }
  return retried;
}

void Person::resume_all() {
  for (const auto& name : names_) {
    if (object(name)) annotate(name, "tunesmith.dev/suspend", std::nullopt);
  }
}

void Person::delete_all() {
  for (const auto& name : names_) remove(name);
}

bool Person::is_temporary(const std::string& reason) {
  static const std::set<std::string> kTemporary = {"EngineCrashed",       "EngineStuck",
                                                   "EngineKilled",        "ModelHubUnavailable",
                                                   "DataHostUnavailable", "RegistryUnavailable",
                                                   "DownloadFailed",      "ConnectionFailed",
                                                   "ConnectionLost",      "TimedOut",
                                                   "PushSecretMissing"};
  return kTemporary.contains(reason);
}

}  // namespace tunesmith::simulation
