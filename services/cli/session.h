// What every command that talks to the bus needs: the connection of the stack (or of the
// environment) and the objects in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <ostream>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "bus/connection.h"
#include "cli/style.h"
#include "runtime/result.h"

namespace tunesmith::cli {

struct CommandContext {
  std::filesystem::path dir;  // of the stack
  std::string name_space = "default";
  std::ostream& out;
  std::ostream& err;
  std::stop_token stop;   // Ctrl-C
  bool terminal = false;  // out is one
  bool colours = false;   // out shows them

  Style style() const { return Style(colours); }
};

struct Session {
  std::unique_ptr<bus::Connection> connection;
  std::unique_ptr<bus::KeyValue> workspaces;
  std::set<std::string> allowed_data_hosts;
  std::vector<std::string> allowed_data_paths, allowed_host_paths;
};

// Connects as dir/config/cli.yaml says, overridden by TUNESMITH_NATS_URL and its like. Permanent
// `NoStack` when there is neither; Transient `BusUnavailable` with what to do.
Result<Session> open_session(const CommandContext& context);
// Only the connection.
Result<std::unique_ptr<bus::Connection>> open_bus(const CommandContext& context);
// As the user that may do what people's commands may not (dir/config/admin.yaml): `bus init`, which
// makes the buckets, and `dlq replay`, which publishes other services' events.
Result<std::unique_ptr<bus::Connection>> open_bus_as_admin(const CommandContext& context);

enum class Kind { kWorkspace, kConfigMap };
// "workspace", "workspaces", "ws", "workspace.kaito.sh" …; nullopt for anything else.
std::optional<Kind> kind_from(const std::string& word);
// "workspace.kaito.sh/NAME", "configmap/NAME".
std::string shown_name(Kind kind, const std::string& name);
std::string key_of(Kind kind, const std::string& name_space, const std::string& name);
std::string status_key(const std::string& name_space, const std::string& name);

// Permanent `NotFound` in kubectl's words; `ObjectUndecodable` when it is no JSON.
Result<nlohmann::json> get_object(Session& session, Kind kind, const std::string& name_space,
                                  const std::string& name);
// The same without a complaint, with the revision for compare-and-set.
Result<std::optional<bus::KeyValueEntry>> find_object(Session& session, Kind kind,
                                                      const std::string& name_space,
                                                      const std::string& name);
// Replaces a stored object by what `change` makes of it, with compare-and-set; tried anew when
// somebody else was faster. nullopt = it stays as it is. Returns the revision it has then.
// Permanent `NotFound`, `ObjectUndecodable`, `RevisionConflict` after many attempts, or what
// `change` says.
Result<std::uint64_t> change_object(
    Session& session, Kind kind, const std::string& name_space, const std::string& name,
    const std::function<Result<std::optional<std::string>>(const nlohmann::json& stored)>& change);
// Sorted by namespace and name; an empty name_space = all.
Result<std::vector<nlohmann::json>> list_objects(Session& session, Kind kind,
                                                 const std::string& name_space);
// An empty object when there is none yet.
Result<nlohmann::json> get_status(Session& session, const std::string& name_space,
                                  const std::string& name);

std::int64_t unix_now();

tl::unexpected<Failure> not_found(Kind kind, const std::string& name);

}  // namespace tunesmith::cli
