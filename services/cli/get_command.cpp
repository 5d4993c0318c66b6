#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/get_watch.h"
#include "cli/json_view.h"
#include "cli/object_table.h"
#include "cli/yaml_text.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

Result<std::vector<json>> wanted_objects(const CommandContext& context, Session& session,
                                         const Target& target, bool all_namespaces) {
  std::vector<json> objects;
  if (target.names.empty()) {
    auto listed = list_objects(session, target.kind, all_namespaces ? "" : context.name_space);
    if (!listed) return listed;
    objects = std::move(*listed);
  }
  for (const std::string& name : target.names) {
    auto object = get_object(session, target.kind, context.name_space, name);
    if (!object) return tl::unexpected(object.error());
    objects.push_back(std::move(*object));
  }
  if (target.kind == Kind::kConfigMap) return objects;
  for (json& object : objects) {
    auto status = get_status(session, text_at(object, "/metadata/namespace"),
                             text_at(object, "/metadata/name"));
    if (!status) return tl::unexpected(status.error());
    status->erase("facts");  // the watcher's own notes, like managedFields in kubectl
    if (!status->empty()) object["status"] = std::move(*status);
  }
  return objects;
}

json as_one_value(const std::vector<json>& objects, const Target& target) {
  if (target.names.size() == 1) return objects.front();
  return {{"apiVersion", "v1"}, {"kind", "List"}, {"items", objects}};
}

}  // namespace

Result<int> get(const CommandContext& context, const GetOptions& options) {
  const auto target = parse_target(options.arguments);
  if (!target) return tl::unexpected(target.error());
  if (options.watch) return get_and_watch(context, options, *target);
  auto session = open_session(context);
  if (!session) return tl::unexpected(session.error());
  const auto objects = wanted_objects(context, *session, *target, options.all_namespaces);
  if (!objects) return tl::unexpected(objects.error());
  if (options.output == "json") {
    context.out << as_one_value(*objects, *target).dump(4) << "\n";
  } else if (options.output == "yaml") {
    context.out << to_yaml(as_one_value(*objects, *target));
  } else if (options.output == "name") {
    for (const json& object : *objects) {
      context.out << shown_name(target->kind, text_at(object, "/metadata/name")) << "\n";
    }
  } else if (objects->empty()) {
    context.err << (options.all_namespaces
                        ? "No resources found\n"
                        : "No resources found in " + context.name_space + " namespace.\n");
  } else {
    const TableOptions table{options.output == "wide", options.all_namespaces,
                             std::chrono::system_clock::now()};
    context.out << to_text(target->kind == Kind::kWorkspace ? workspace_table(*objects, table)
                                                            : config_map_table(*objects, table));
  }
  return 0;
}

}  // namespace tunesmith::cli
