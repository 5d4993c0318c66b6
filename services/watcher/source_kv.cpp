#include "watcher/source_kv.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "tunesmith/events/v1/workspace.pb.h"
#include "watcher/status_facts.h"
#include "watcher/status_fold.h"

namespace tunesmith::watcher {

using nlohmann::json;

namespace {

events::v1::WorkspaceRef reference(const SourceObject& object, std::int64_t pass) {
  events::v1::WorkspaceRef ref;
  ref.set_uid(object.uid);
  ref.set_namespace_(object.name_space);
  ref.set_name(object.name);
  ref.set_generation(object.generation);
  ref.set_pass(pass);
  return ref;
}

}  // namespace

KvSource::KvSource(bus::KeyValue& workspaces, bus::KeyValue& current, bus::Publisher& publisher,
                   StatusStore& statuses, const Clock& clock, Log log)
    : workspaces_(workspaces),
      current_(current),
      publisher_(publisher),
      statuses_(statuses),
      clock_(clock),
      log_(std::move(log)) {}

std::optional<SourceObject> KvSource::find(const std::string& uid) const {
  const std::scoped_lock lock(mutex_);
  const auto found = objects_.find(uid);
  if (found == objects_.end()) return std::nullopt;
  return found->second;
}

Result<void> KvSource::on_spec(const bus::KeyValueEntry& entry) {
  const std::scoped_lock turn(turn_);
  if (entry.deleted) return on_removed(entry.key);
  auto object = read_object(entry.value);
  if (!object) {
    log_.error("a Workspace cannot be read",
               {{"key", entry.key}, {"detail", object.error().message}});
    return {};
  }
  if (object->spec_key() != entry.key) {
    log_.error("a Workspace lies under another's key",
               {{"key", entry.key}, {"name", object->name}});
    return {};
  }
  {
    const std::scoped_lock lock(mutex_);
    objects_[object->uid] = *object;
  }
  return reconcile(*object);
}

// The key was taken away: by ourselves after the clean-up, or by somebody who did not wait for it.
Result<void> KvSource::on_removed(const std::string& key) {
  std::vector<SourceObject> gone;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [uid, object] : objects_) {
      if (object.spec_key() == key && !object.deleting) gone.push_back(object);
    }
  }
  for (auto& object : gone) {
    object.deleting = true;
    if (auto told = reconcile(object); !told) return told;
    const std::scoped_lock lock(mutex_);
    objects_[object.uid] = object;
  }
  return {};
}

// `current` first, then the announcement: a handler that hears of it must find it. What was
// announced before is known from this process or, after a start, from the status.
Result<void> KvSource::reconcile(const SourceObject& object) {
  if (object.deleting) {
    auto put = put_current(object, std::nullopt, 0);
    return put ? announce(object, 0, "") : put;
  }
  auto last = announced(object);
  if (!last) return tl::unexpected(last.error());
  const bool known = *last && (*last)->generation == object.generation;
  if (known && (*last)->annotations_hash == object.annotations_hash) {
    auto put = put_current(object, std::nullopt, (*last)->pass);
    if (!put) return put;
    const auto status = statuses_.read(object.status_key());
    return status ? check_config(object, *status) : tl::unexpected(status.error());
  }
  const std::int64_t pass = known ? next_pass(**last) : 0;
  auto put = put_current(object, pass, 0);
  return put ? announce(object, pass, "") : put;
}

Result<void> KvSource::put_current(const SourceObject& object, std::optional<std::int64_t> pass,
                                   std::int64_t lost) {
  bus::Current wanted{.generation = object.generation,
                      .annotations_hash = object.annotations_hash,
                      .deleting = object.deleting,
                      .suspended = object.suspended};
  auto have = current_.get(object.uid);
  if (!have) return tl::unexpected(have.error());
  wanted.pass = pass.value_or(lost);
  if (!pass && *have) {
    const auto before = bus::current_from_json((*have)->value);
    if (before && before->generation == object.generation) wanted.pass = before->pass;
  }
  if (*have && (*have)->value == bus::to_json(wanted)) return {};
  auto put = current_.put(object.uid, bus::to_json(wanted));
  return put ? Result<void>() : tl::unexpected(put.error());
}

bool KvSource::is_up_to_date(const json& status, const SourceObject& object) const {
  const auto facts = Facts::in(status);
  const Known* observed = facts ? facts->find("workspace-observed") : nullptr;
  const bool same = observed != nullptr && facts->uid == object.uid &&
                    facts->generation == object.generation &&
                    observed->data.value("annotationsHash", "") == object.annotations_hash;
  const std::scoped_lock lock(mutex_);
  const auto last = announced_.find(object.uid);
  return same && (last == announced_.end() || last->second.generation != object.generation ||
                  last->second.pass <= observed->last_pass());
}

Result<std::optional<KvSource::Announced>> KvSource::announced(const SourceObject& object) {
  {
    const std::scoped_lock lock(mutex_);
    const auto known = announced_.find(object.uid);
    if (known != announced_.end()) return known->second;
  }
  auto status = statuses_.read(object.status_key());
  if (!status) return tl::unexpected(status.error());
  const auto facts = Facts::in(*status);
  if (!facts || facts->uid != object.uid) return std::nullopt;
  const Known* observed = facts->find("workspace-observed");
  if (observed == nullptr) return std::nullopt;
  return Announced{.generation = facts->generation,
                   .annotations_hash = observed->data.value("annotationsHash", ""),
                   .pass = observed->last_pass()};
}

// The second of now; never one that was used before.
std::int64_t KvSource::next_pass(const Announced& last) const {
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(clock_.wall_now().time_since_epoch())
          .count();
  return std::max<std::int64_t>(now, last.pass + 1);
}

Result<void> KvSource::announce(const SourceObject& object, std::int64_t pass, const char* suffix) {
  Result<void> published;
  if (object.deleting) {
    events::v1::WorkspaceDeleted deleted;
    *deleted.mutable_workspace() = reference(object, pass);
    published = publisher_.publish(bus::make_event(deleted, suffix));
  } else {
    events::v1::WorkspaceObserved observed;
    *observed.mutable_workspace() = reference(object, pass);
    observed.set_manifest_json(object.manifest);
    auto config = config_of(object);
    if (!config) return tl::unexpected(config.error());
    observed.set_training_config_yaml(config->yaml);
    observed.set_training_config_problem(config->problem);
    auto status = statuses_.read(object.status_key());
    if (!status) return tl::unexpected(status.error());
    if (status->is_object()) {
      status->erase("facts");  // they would make an event of a long history too large
      observed.set_status_json(status->dump());
    }
    published = publisher_.publish(bus::make_event(observed, suffix));
  }
  if (!published) return published;
  log_.info(object.deleting ? "announced a deletion" : "announced a Workspace",
            {{"workspace", object.name_space + "/" + object.name},
             {"generation", object.generation},
             {"pass", pass}});
  const std::scoped_lock lock(mutex_);
  announced_[object.uid] = {object.generation, object.annotations_hash, pass};
  return {};
}

Result<void> KvSource::observe_again(const std::string& uid) {
  const auto object = find(uid);
  if (!object) return {};
  if (object->suspended && !object->deleting) {  // nothing is to be done, once people see it
    const auto status = statuses_.read(object->status_key());
    if (!status) return tl::unexpected(status.error());
    if (is_up_to_date(*status, *object)) return {};
  }
  auto last = announced(*object);
  if (!last) return tl::unexpected(last.error());
  const std::int64_t pass = next_pass(last->value_or(Announced{}));
  auto status = statuses_.read(object->status_key());
  if (!status) return tl::unexpected(status.error());
  if (object->deleting || !lost_its_worker(*status)) return announce(*object, pass, kAgain);
  // Who was told to run is left alone by a look again; here nobody runs. A pass like a retry's.
  auto put = put_current(*object, pass, 0);
  return put ? announce(*object, pass, "") : put;
}

Result<void> KvSource::on_cleaned(const events::v1::WorkspaceRef& workspace) {
  {
    // First: the removal of the key below must not look like somebody else's.
    const std::scoped_lock lock(mutex_);
    objects_.erase(workspace.uid());
    announced_.erase(workspace.uid());
    configs_.erase(workspace.uid());
  }
  const std::string tail = workspace.namespace_() + "." + workspace.name();
  if (auto removed = statuses_.remove("status." + tail, workspace.uid()); !removed) return removed;
  auto spec = workspaces_.get("spec." + tail);
  if (!spec) return tl::unexpected(spec.error());
  if (*spec) {
    const auto object = read_object((*spec)->value);
    if (object && object->uid == workspace.uid()) {
      if (auto removed = workspaces_.remove("spec." + tail); !removed) return removed;
    }
  }
  if (auto removed = current_.remove(workspace.uid()); !removed) return removed;
  return {};
}

// Objects whose key was taken away while no watcher ran: their status tells who they were.
Result<void> KvSource::on_caught_up() {
  const std::scoped_lock turn(turn_);
  auto keys = workspaces_.keys("status.*.*");
  if (!keys) return tl::unexpected(keys.error());
  for (const auto& key : *keys) {
    auto status = statuses_.read(key);
    if (!status) return tl::unexpected(status.error());
    const auto facts = Facts::in(*status);
    if (!facts || find(facts->uid)) continue;
    const auto dot = key.rfind('.');
    const auto first = key.find('.') + 1;
    SourceObject gone{.name_space = key.substr(first, dot - first),
                      .name = key.substr(dot + 1),
                      .uid = facts->uid,
                      .generation = facts->generation,
                      .annotations_hash = {},
                      .deleting = true,
                      .config_map = {},
                      .manifest = {}};
    if (auto told = reconcile(gone); !told) return told;
    const std::scoped_lock lock(mutex_);
    objects_[gone.uid] = gone;
  }
  return {};
}

}  // namespace tunesmith::watcher
