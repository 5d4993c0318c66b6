// KvSource: the ConfigMaps that Workspaces name.
#include <nlohmann/json.hpp>
#include <vector>

#include "watcher/source_kv.h"
#include "workspace/workspace.h"

namespace tunesmith::watcher {

using nlohmann::json;

// Read once per generation, so that passes of one generation agree; a missing one is looked for
// again.
Result<KvSource::Config> KvSource::config_of(const SourceObject& object) {
  if (object.config_map.empty()) return Config{};
  {
    const std::scoped_lock lock(mutex_);
    const auto known = configs_.find(object.uid);
    if (known != configs_.end() && known->second.generation == object.generation &&
        known->second.problem.empty()) {
      return known->second;
    }
  }
  Config config{.generation = object.generation, .yaml = {}, .problem = {}};
  const std::string named = "ConfigMap " + object.name_space + "/" + object.config_map;
  auto entry = workspaces_.get("configmap." + object.name_space + "." + object.config_map);
  if (!entry && entry.error().failure_class == FailureClass::kTransient) {
    return tl::unexpected(entry.error());
  }
  if (!entry || !*entry) {
    config.problem = named + " named by tuning.config does not exist; apply it";
  } else {
    const auto map = json::parse((*entry)->value, nullptr, false);
    const auto pointer = json::json_pointer(std::string("/data/") + workspace::kTrainingConfigKey);
    if (!map.is_object() || !map.contains(pointer) || !map.at(pointer).is_string()) {
      config.problem = named + " has no key " + workspace::kTrainingConfigKey + " in data";
    } else if (map.at(pointer).get_ref<const std::string&>().size() > kLargestConfigBytes) {
      config.problem = named + ": " + workspace::kTrainingConfigKey + " is larger than 64 KiB";
    } else {
      config.yaml = map.at(pointer).get<std::string>();
    }
  }
  const std::scoped_lock lock(mutex_);
  configs_[object.uid] = config;
  return config;
}

Result<void> KvSource::on_status(const SourceObject& object, const json& status) {
  if (object.config_map.empty()) return {};
  const std::scoped_lock turn(turn_);
  const auto now = find(object.uid);
  return now ? check_config(*now, status) : Result<void>();
}

// Also after a start, which finds neither what was lacking before nor who would have been told that
// it came while no watcher ran.
Result<void> KvSource::check_config(const SourceObject& object, const json& status) {
  if (object.config_map.empty() || object.deleting) return {};
  const auto failure = status.is_object() ? status.value("failure", json()) : json();
  const bool lacked = failure.is_object() &&
                      failure.value("reason", "") == "TrainingConfigMissing" &&
                      is_up_to_date(status, object);
  {
    const std::scoped_lock lock(mutex_);
    if (!lacked && configs_.contains(object.uid)) return {};
  }
  const auto config = config_of(object);  // if it lacks, on_config_map() will know of it
  if (!config) return tl::unexpected(config.error());
  if (!lacked || !config->problem.empty()) return {};
  auto last = announced(object);
  if (!last) return tl::unexpected(last.error());
  const std::int64_t pass = next_pass(last->value_or(Announced{}));
  if (auto put = put_current(object, pass, 0); !put) return put;
  return announce(object, pass, "");
}

Result<std::vector<std::string>> KvSource::on_config_map(const bus::KeyValueEntry& entry) {
  const std::scoped_lock turn(turn_);
  if (entry.deleted) return std::vector<std::string>();
  std::vector<SourceObject> lacking;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [uid, object] : objects_) {
      const auto config = configs_.find(uid);
      const bool lacked = config != configs_.end() && !config->second.problem.empty() &&
                          config->second.generation == object.generation;
      const bool names_it = "configmap." + object.name_space + "." + object.config_map == entry.key;
      if (lacked && names_it && !object.deleting) lacking.push_back(object);
    }
  }
  std::vector<std::string> told;
  for (const auto& object : lacking) {
    const auto last = announced(object);
    if (!last) return tl::unexpected(last.error());
    const std::int64_t pass = next_pass(last->value_or(Announced{}));
    if (auto put = put_current(object, pass, 0); !put) return tl::unexpected(put.error());
    if (auto said = announce(object, pass, ""); !said) return tl::unexpected(said.error());
    told.push_back(object.uid);
  }
  return told;
}

}  // namespace tunesmith::watcher
