// What the watcher looks at in an object of the source.
#include <nlohmann/json.hpp>

#include "runtime/file_name.h"
#include "watcher/source_kv.h"
#include "workspace/workspace.h"

namespace tunesmith::watcher {

using nlohmann::json;

namespace {

constexpr int kDeepest = 64;

}  // namespace

Result<SourceObject> read_object(const std::string& text) {
  // Deeper than any Workspace: what is written out again later recurses.
  bool too_deep = false;
  const auto depth_guard = [&](int depth, json::parse_event_t, json&) {
    too_deep = too_deep || depth > kDeepest;
    return !too_deep;
  };
  const auto object = json::parse(text, depth_guard, false);
  if (too_deep) {
    return permanent("WorkspaceUnreadable", "expected a Workspace, found more than " +
                                                std::to_string(kDeepest) + " levels of nesting");
  }
  try {
    const auto& metadata = object.at("metadata");
    SourceObject read;
    read.name_space = metadata.at("namespace").get<std::string>();
    read.name = metadata.at("name").get<std::string>();
    read.uid = metadata.at("uid").get<std::string>();
    if (!is_plain_file_name(read.uid)) {  // it becomes part of subjects, keys and paths
      return permanent(
          "WorkspaceUnreadable",
          "expected a uid of letters, digits, '-' and '_', found '" + read.uid.substr(0, 64) + "'");
    }
    read.generation = metadata.at("generation").get<std::int64_t>();
    read.deleting = metadata.contains("deletionTimestamp");
    read.annotations_hash = workspace::annotations_hash(object);
    read.suspended = workspace::is_suspended(object);
    if (object.contains("tuning") && object.at("tuning").is_object()) {
      const auto config = object.at("tuning").find("config");
      if (config != object.at("tuning").end() && config->is_string()) read.config_map = *config;
    }
    read.manifest = text;
    return read;
  } catch (const json::exception& e) {
    return permanent(
        "WorkspaceUnreadable",
        std::string("expected a Workspace with namespace, name, uid and generation: ") + e.what());
  }
}

}  // namespace tunesmith::watcher
