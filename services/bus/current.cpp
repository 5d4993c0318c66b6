#include "bus/current.h"

#include <nlohmann/json.hpp>

#include "runtime/any_stop.h"

namespace tunesmith::bus {

std::string to_json(const Current& current) {
  return nlohmann::json{{"generation", current.generation},
                        {"annotationsHash", current.annotations_hash},
                        {"deleting", current.deleting},
                        {"suspended", current.suspended},
                        {"pass", current.pass}}
      .dump();
}

Result<Current> current_from_json(const std::string& json) {
  try {
    const auto object = nlohmann::json::parse(json);
    Current current;
    current.generation = object.at("generation").get<std::int64_t>();
    current.annotations_hash = object.value("annotationsHash", "");
    current.deleting = object.value("deleting", false);
    current.suspended = object.value("suspended", false);
    current.pass = object.value("pass", std::int64_t{0});
    return current;
  } catch (const nlohmann::json::exception& e) {
    return poison(
        "CurrentUndecodable",
        std::string("an entry of the bucket current is not what the watcher writes: ") + e.what());
  }
}

Standing standing_of(const std::optional<Current>& current, std::int64_t generation) {
  if (!current || current->deleting) return Standing::kDeleting;
  if (current->generation > generation) return Standing::kOutdated;
  if (current->suspended) return Standing::kSuspended;
  return Standing::kCurrent;
}

Result<std::optional<Current>> read_current(KeyValue& current_bucket, const std::string& uid) {
  auto entry = current_bucket.get(uid);
  if (!entry) return tl::unexpected(entry.error());
  if (!*entry) return std::nullopt;
  auto current = current_from_json((*entry)->value);
  if (!current) return tl::unexpected(current.error());
  return *current;
}

Result<Standing> standing(KeyValue& current_bucket, const events::v1::WorkspaceRef& workspace) {
  auto current = read_current(current_bucket, workspace.uid());
  if (!current) return tl::unexpected(current.error());
  return standing_of(*current, workspace.generation());
}

Result<Standing> wait_until_superseded(KeyValue& current_bucket,
                                       const events::v1::WorkspaceRef& workspace,
                                       std::stop_token stop) {
  AnyStop ended(std::move(stop));  // by `stop`, or by what the bucket says
  Standing found = Standing::kCurrent;
  bool present = false;
  std::optional<Failure> undecodable;

  const auto judge = [&](const std::optional<Current>& current) {
    found = standing_of(current, workspace.generation());
    if (found != Standing::kCurrent) ended.request();
  };
  auto watched = current_bucket.watch(
      workspace.uid(),
      [&](const KeyValueEntry& entry) {
        if (ended.token().stop_requested()) return;
        present = !entry.deleted;
        if (entry.deleted) return judge(std::nullopt);
        auto current = current_from_json(entry.value);
        if (current) return judge(*current);
        undecodable = current.error();
        ended.request();
      },
      [&] {
        if (!present && !ended.token().stop_requested()) judge(std::nullopt);
      },
      ended.token());
  if (!watched) return tl::unexpected(watched.error());
  if (undecodable) return tl::unexpected(*undecodable);
  return found;
}

}  // namespace tunesmith::bus
