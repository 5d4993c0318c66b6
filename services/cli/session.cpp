#include "cli/session.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bus/topology.h"
#include "cli/json_view.h"
#include "cli/stack_state.h"
#include "runtime/config.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kPatience{5};
constexpr int kMaxConflicts = 8;

struct Opened {
  std::unique_ptr<bus::Connection> connection;
  std::set<std::string> allowed_data_hosts;
  std::vector<std::string> allowed_data_paths, allowed_host_paths;
};

// `config_name`: which user of the stack, "cli" or "admin".
Result<Opened> open(const CommandContext& context, const std::string& config_name) {
  const StackPaths paths{context.dir};
  const auto environment = ConfigReader::process_environment();
  const auto file = paths.config(config_name + ".yaml");
  const bool has_stack = std::filesystem::exists(file);
  if (!has_stack && !environment("TUNESMITH_NATS_URL")) {
    return permanent("NoStack", "there is no stack in " + context.dir.string() +
                                    "; start one with `tunesmith up`, name its folder with --dir, "
                                    "or set TUNESMITH_NATS_URL");
  }
  auto config = ConfigReader::open(has_stack ? file : "", environment);
  if (!config) return tl::unexpected(config.error());
  auto options = bus::ConnectionOptions::from_config(*config, "tunesmith");
  options.connect_timeout = kPatience;
  options.publish_timeout = kPatience;
  const auto hosts = config->texts("allowed_data_hosts", {});
  auto paths_allowed = config->texts("allowed_data_paths", {});
  auto host_paths = config->texts("allowed_host_paths", {});
  if (auto read = config->finish(); !read) return tl::unexpected(read.error());
  auto connection = bus::Connection::open(options, Log::silent(), context.stop);
  if (!connection) {
    Failure failure = connection.error();
    if (failure.reason == "BusUnavailable" && has_stack) {
      failure.message += "; is the stack up? Start it with `tunesmith up`";
    }
    return tl::unexpected(failure);
  }
  return Opened{std::move(*connection),
                {hosts.begin(), hosts.end()},
                std::move(paths_allowed),
                std::move(host_paths)};
}

Result<json> parse(const bus::KeyValueEntry& entry) {
  json object = json::parse(entry.value, nullptr, false);
  if (object.is_object()) return object;
  return permanent("ObjectUndecodable", "the entry " + entry.key + " is no JSON object");
}

}  // namespace

Result<Session> open_session(const CommandContext& context) {
  auto opened = open(context, "cli");
  if (!opened) return tl::unexpected(opened.error());
  auto workspaces = opened->connection->key_value(bus::bucket::kWorkspaces);
  if (!workspaces) return tl::unexpected(workspaces.error());
  return Session{std::move(opened->connection), std::move(*workspaces),
                 std::move(opened->allowed_data_hosts), std::move(opened->allowed_data_paths),
                 std::move(opened->allowed_host_paths)};
}

Result<std::unique_ptr<bus::Connection>> open_bus(const CommandContext& context) {
  auto opened = open(context, "cli");
  if (!opened) return tl::unexpected(opened.error());
  return std::move(opened->connection);
}

Result<std::unique_ptr<bus::Connection>> open_bus_as_admin(const CommandContext& context) {
  auto opened = open(context, "admin");
  if (!opened) return tl::unexpected(opened.error());
  return std::move(opened->connection);
}

std::optional<Kind> kind_from(const std::string& word) {
  for (const char* name : {"workspace", "workspaces", "ws", "wk", "workspace.kaito.sh",
                           "workspaces.kaito.sh", "Workspace"}) {
    if (word == name) return Kind::kWorkspace;
  }
  for (const char* name : {"configmap", "configmaps", "cm", "ConfigMap"}) {
    if (word == name) return Kind::kConfigMap;
  }
  return std::nullopt;
}

std::string shown_name(Kind kind, const std::string& name) {
  return (kind == Kind::kWorkspace ? "workspace.kaito.sh/" : "configmap/") + name;
}

std::string key_of(Kind kind, const std::string& name_space, const std::string& name) {
  return (kind == Kind::kWorkspace ? "spec." : "configmap.") + name_space + "." + name;
}

std::string status_key(const std::string& name_space, const std::string& name) {
  return "status." + name_space + "." + name;
}

Result<json> get_object(Session& session, Kind kind, const std::string& name_space,
                        const std::string& name) {
  const auto entry = find_object(session, kind, name_space, name);
  if (!entry) return tl::unexpected(entry.error());
  if (!*entry) return not_found(kind, name);
  return parse(**entry);
}

Result<std::optional<bus::KeyValueEntry>> find_object(Session& session, Kind kind,
                                                      const std::string& name_space,
                                                      const std::string& name) {
  return session.workspaces->get(key_of(kind, name_space, name));
}

Result<std::uint64_t> change_object(
    Session& session, Kind kind, const std::string& name_space, const std::string& name,
    const std::function<Result<std::optional<std::string>>(const json& stored)>& change) {
  for (int conflicts = 0;; ++conflicts) {
    const auto entry = find_object(session, kind, name_space, name);
    if (!entry) return tl::unexpected(entry.error());
    if (!*entry) return not_found(kind, name);
    const auto stored = parse(**entry);
    if (!stored) return tl::unexpected(stored.error());
    const auto changed = change(*stored);
    if (!changed) return tl::unexpected(changed.error());
    if (!*changed) return (*entry)->revision;
    const auto written = session.workspaces->update((*entry)->key, **changed, (*entry)->revision);
    if (written) return *written;
    if (written.error().reason != "RevisionConflict" || conflicts == kMaxConflicts) {
      return tl::unexpected(written.error());
    }
  }
}

Result<std::vector<json>> list_objects(Session& session, Kind kind, const std::string& name_space) {
  const std::string where = name_space.empty() ? "*" : name_space;
  auto keys = session.workspaces->keys(key_of(kind, where, ">"));
  if (!keys) return tl::unexpected(keys.error());
  std::sort(keys->begin(), keys->end());
  std::vector<json> objects;
  for (const std::string& key : *keys) {
    const auto entry = session.workspaces->get(key);
    if (!entry) return tl::unexpected(entry.error());
    if (!*entry) continue;  // deleted meanwhile
    auto object = parse(**entry);
    if (!object) return tl::unexpected(object.error());
    objects.push_back(std::move(*object));
  }
  return objects;
}

Result<json> get_status(Session& session, const std::string& name_space, const std::string& name) {
  const auto entry = session.workspaces->get(status_key(name_space, name));
  if (!entry) return tl::unexpected(entry.error());
  if (!*entry) return json::object();
  return parse(**entry);
}

std::int64_t unix_now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

tl::unexpected<Failure> not_found(Kind kind, const std::string& name) {
  const std::string plural = kind == Kind::kWorkspace ? "workspaces.kaito.sh" : "configmaps";
  return permanent("NotFound", plural + " \"" + name + "\" not found");
}

}  // namespace tunesmith::cli
