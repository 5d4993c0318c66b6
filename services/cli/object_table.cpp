#include "cli/object_table.h"

#include <nlohmann/json.hpp>

#include "cli/format.h"
#include "cli/json_view.h"
#include "cli/progress_line.h"
#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

std::string age(const json& object, const TableOptions& options) {
  const auto created = parse_rfc3339(text_at(object, "/metadata/creationTimestamp"));
  if (!created) return "<unknown>";
  return human_duration(std::chrono::floor<std::chrono::seconds>(options.now - *created));
}

// What it really runs on once it is planned, else what the user asked for.
std::string instance_of(const json& object) {
  const std::string planned = text_at(object, "/status/plan/instanceType");
  return planned.empty() ? text_at(object, "/resource/instanceType") : planned;
}

std::string reason_of(const json& status) {
  const std::string failed = text_at(status, "/failure/reason");
  return failed.empty() ? text_at(status, "/waiting/reason") : failed;
}

std::string loss_of(const json& status) {
  const auto loss = number_at(status, "/tuning/trainLoss");
  return loss && *loss != 0 ? human_number(*loss) : "";
}

std::vector<std::string> workspace_row(const json& object, const TableOptions& options) {
  const json* found = member(object, "/status");
  const json status = found == nullptr ? json::object() : *found;
  std::vector<std::string> row{text_at(object, "/metadata/name"), instance_of(object)};
  for (const char* type :
       {"ResourceReady", "InferenceReady", "JobStarted", "WorkspaceSucceeded", "WorkspaceReady"}) {
    row.push_back(condition_status(status, type));
  }
  row.push_back(progress_of(status));
  row.push_back(loss_of(status));
  row.push_back(age(object, options));
  if (options.wide) {
    const std::string state = text_at(status, "/state");
    std::string output;
    for (const auto& [from, where] : {std::pair{&status, "/output/image"},
                                      {&status, "/output/path"},
                                      {&object, "/tuning/output/image"},
                                      {&object, "/tuning/output/volumeSource/hostPath/path"}}) {
      if (output.empty()) output = text_at(*from, where);
    }
    row.push_back(state.empty() ? "Pending" : state);
    row.push_back(reason_of(status));
    row.push_back(output);
  }
  return row;
}

void add_namespace(Table& table, const std::vector<json>& objects) {
  table.header.insert(table.header.begin(), "NAMESPACE");
  for (std::size_t i = 0; i < objects.size(); ++i) {
    table.rows[i].insert(table.rows[i].begin(), text_at(objects[i], "/metadata/namespace"));
  }
}

}  // namespace

Table workspace_table(const std::vector<json>& objects, const TableOptions& options) {
  Table table{{"NAME", "INSTANCE", "RESOURCEREADY", "INFERENCEREADY", "JOBSTARTED",
               "WORKSPACESUCCEEDED", "WORKSPACEREADY", "PROGRESS", "LOSS", "AGE"},
              {}};
  if (options.wide) table.header.insert(table.header.end(), {"STATE", "REASON", "IMAGE"});
  for (const json& object : objects) table.rows.push_back(workspace_row(object, options));
  if (options.with_namespace) add_namespace(table, objects);
  return table;
}

Table config_map_table(const std::vector<json>& objects, const TableOptions& options) {
  Table table{{"NAME", "DATA", "AGE"}, {}};
  for (const json& object : objects) {
    const json* data = member(object, "/data");
    table.rows.push_back({text_at(object, "/metadata/name"),
                          std::to_string(data == nullptr ? 0 : data->size()),
                          age(object, options)});
  }
  if (options.with_namespace) add_namespace(table, objects);
  return table;
}

}  // namespace tunesmith::cli
