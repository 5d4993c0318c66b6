#include "cli/stack_state.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

json child_to_json(const ChildState& child) {
  return {{"name", child.name},
          {"argv", child.argv},
          {"log", child.log},
          {"portFile", child.port_file},
          {"address", child.address},
          {"pid", child.pid},
          {"startTime", child.start_time},
          {"state", child.state},
          {"restarts", child.restarts},
          {"lastExit", child.last_exit},
          {"lastExitAt", child.last_exit_at}};
}

ChildState child_from_json(const json& value) {
  ChildState child;
  value.at("name").get_to(child.name);
  value.at("argv").get_to(child.argv);
  value.at("log").get_to(child.log);
  value.at("portFile").get_to(child.port_file);
  value.at("address").get_to(child.address);
  value.at("pid").get_to(child.pid);
  value.at("startTime").get_to(child.start_time);
  value.at("state").get_to(child.state);
  value.at("restarts").get_to(child.restarts);
  value.at("lastExit").get_to(child.last_exit);
  value.at("lastExitAt").get_to(child.last_exit_at);
  return child;
}

}  // namespace

std::string to_json(const StackState& state) {
  json children = json::array();
  for (const ChildState& child : state.children) children.push_back(child_to_json(child));
  const json value = {
      {"state", state.state},
      {"supervisor", {{"pid", state.supervisor_pid}, {"startTime", state.supervisor_start_time}}},
      {"startedAt", state.started_at},
      {"nats",
       {{"port", state.nats_port}, {"url", "nats://127.0.0.1:" + std::to_string(state.nats_port)}}},
      {"registry",
       {{"port", state.registry_port},
        {"address", "127.0.0.1:" + std::to_string(state.registry_port)},
        {"name", state.registry_name},
        {"user", state.registry_user}}},
      {"children", children}};
  return value.dump(2) + "\n";
}

Result<StackState> stack_state_from_json(const std::string& text) {
  try {
    const json value = json::parse(text);
    StackState state;
    value.at("state").get_to(state.state);
    value.at("supervisor").at("pid").get_to(state.supervisor_pid);
    value.at("supervisor").at("startTime").get_to(state.supervisor_start_time);
    value.at("startedAt").get_to(state.started_at);
    value.at("nats").at("port").get_to(state.nats_port);
    value.at("registry").at("port").get_to(state.registry_port);
    value.at("registry").at("name").get_to(state.registry_name);
    value.at("registry").at("user").get_to(state.registry_user);
    for (const json& child : value.at("children")) state.children.push_back(child_from_json(child));
    return state;
  } catch (const json::exception& error) {
    return permanent("StackStateInvalid",
                     std::string("stack.json is not as tunesmith writes it: ") + error.what());
  }
}

Result<std::optional<StackState>> read_stack_state(const StackPaths& paths) {
  if (!std::filesystem::exists(paths.state())) return std::nullopt;
  const auto text = read_file(paths.state());
  if (!text) return tl::unexpected(text.error());
  auto state = stack_state_from_json(*text);
  if (!state) return tl::unexpected(state.error());
  return std::optional<StackState>(std::move(*state));
}

Result<void> write_stack_state(const StackPaths& paths, const StackState& state) {
  return write_file(paths.state(), to_json(state));
}

std::uint64_t process_start_time(pid_t pid) {
  const auto stat = read_file("/proc/" + std::to_string(pid) + "/stat", 65536);
  if (pid <= 0 || !stat) return 0;
  // proc(5): the second field is the name in parentheses, which may hold anything; the 22nd is the
  // start time.
  std::size_t at = stat->rfind(')');
  for (int field = 2; at != std::string::npos && field < 22; ++field) at = stat->find(' ', at + 1);
  std::uint64_t ticks = 0;
  const std::size_t state = stat->rfind(')') + 2;
  if (state < stat->size() && (*stat)[state] == 'Z') return 0;  // ended, nobody has reaped it yet
  if (at != std::string::npos) {
    std::from_chars(stat->data() + at + 1, stat->data() + stat->size(), ticks);
  }
  return ticks;
}

}  // namespace tunesmith::cli
