// `tunesmith describe`, `tunesmith events`, its timeline, and `tunesmith bus init`.
#include <cstdlib>
#include <deque>
#include <nlohmann/json.hpp>

#include "bus/topology.h"
#include "cli/commands.h"
#include "cli/describe_text.h"
#include "cli/event_text.h"
#include "cli/json_view.h"
#include "cli/stack_state.h"
#include "cli/timeline.h"
#include "workspace/spelling.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kLastEvents = 20;

// The uid to filter by; empty when the Workspace is gone already: then its events are found by
// name.
Result<std::string> uid_of(const CommandContext& context, Session& session,
                           const std::string& name) {
  if (name.empty()) return "";
  const auto entry = find_object(session, Kind::kWorkspace, context.name_space, name);
  if (!entry) return tl::unexpected(entry.error());
  if (!*entry) return "";
  return text_at(json::parse((*entry)->value, nullptr, false), "/metadata/uid");
}

// The registry of the stack in this folder, if there is one.
std::optional<LocalRegistry> local_registry(const CommandContext& context) {
  const StackPaths paths{context.dir};
  const auto state = read_stack_state(paths);
  if (!state || !*state || (*state)->registry_port == 0) return std::nullopt;
  return LocalRegistry{(*state)->registry_name,
                       "127.0.0.1:" + std::to_string((*state)->registry_port),
                       (*state)->registry_user, paths.auth("registry-password")};
}

bool is_utf8_terminal() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read only
    if (value == nullptr || *value == '\0') continue;
    const std::string locale = workspace::lower(value);
    return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
  }
  return false;
}

Result<int> timeline(const CommandContext& context, const EventsOptions& options) {
  if (options.follow || !options.output.empty()) {
    return permanent("UsageError", "events: --timeline goes without --follow and --output");
  }
  auto opened = open_workspace(context, options.arguments);
  if (!opened) return tl::unexpected(opened.error());
  auto& [session, object] = *opened;
  const auto status = get_status(session, context.name_space, text_at(object, "/metadata/name"));
  if (!status) return tl::unexpected(status.error());
  std::vector<json> events;
  const auto read = session.connection->read_events(
      text_at(object, "/metadata/uid"), false,
      [&](const bus::IncomingEvent& event) {
        events.push_back(event_json(event));
        return true;
      },
      context.stop);
  if (!read) return tl::unexpected(read.error());
  const auto drawn = timeline_of(*status, events, std::chrono::system_clock::now());
  context.out << timeline_text(
      drawn, {.width = terminal_width(), .utf8 = is_utf8_terminal(), .style = context.style()});
  return 0;
}

}  // namespace

Result<int> describe(const CommandContext& context, const std::vector<std::string>& arguments) {
  auto opened = open_workspace(context, arguments);
  if (!opened) return tl::unexpected(opened.error());
  auto& [session, object] = *opened;
  auto status = get_status(session, context.name_space, text_at(object, "/metadata/name"));
  if (!status) return tl::unexpected(status.error());
  object["status"] = *status;
  std::deque<std::string> lines;
  const auto read = session.connection->read_events(
      text_at(object, "/metadata/uid"), false,
      [&](const bus::IncomingEvent& event) {
        lines.push_back(event_line(event_json(event)));
        if (lines.size() > kLastEvents) lines.pop_front();
        return true;
      },
      context.stop);
  if (!read) return tl::unexpected(read.error());
  context.out << describe_text(object, {lines.begin(), lines.end()},
                               std::chrono::system_clock::now(),
                               {context.style(), local_registry(context)});
  return 0;
}

Result<int> events(const CommandContext& context, const EventsOptions& options) {
  if (options.timeline) return timeline(context, options);
  std::string name;
  if (!options.arguments.empty()) {
    const auto given = parse_workspace_name(options.arguments);
    if (!given) return tl::unexpected(given.error());
    name = *given;
  }
  auto session = open_session(context);
  if (!session) return tl::unexpected(session.error());
  const auto uid = uid_of(context, *session, name);
  if (!uid) return tl::unexpected(uid.error());
  std::size_t shown = 0;
  const auto read = session->connection->read_events(
      *uid, options.follow,
      [&](const bus::IncomingEvent& incoming) {
        const json event = event_json(incoming);
        if (uid->empty() && !is_about(event, context.name_space, name)) return true;
        ++shown;
        context.out << (options.output == "json" ? event.dump() : event_line(event)) << "\n";
        if (options.follow) context.out << std::flush;
        return true;
      },
      context.stop);
  if (!read) return tl::unexpected(read.error());
  if (shown == 0 && !name.empty() && uid->empty()) return not_found(Kind::kWorkspace, name);
  return 0;
}

Result<int> bus_init(const CommandContext& context) {
  auto connection = open_bus_as_admin(context);
  if (!connection) return tl::unexpected(connection.error());
  if (auto made = bus::init_topology(**connection, {}); !made) return tl::unexpected(made.error());
  context.out << "all streams and buckets are there\n";
  return 0;
}

}  // namespace tunesmith::cli
