#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "cli/apply_plan.h"
#include "cli/commands.h"
#include "cli/json_view.h"
#include "runtime/text.h"
#include "workspace/documents.h"
#include "workspace/validate.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

constexpr int kMaxConflicts = 8;

struct Document {
  json object;
  Kind kind;
  std::string name_space, name;
  std::string where;  // "FILE, document 2"
};

// A random UUID, version 4.
std::string make_uid() {
  std::random_device random;
  std::array<unsigned, 4> words{random(), random(), random(), random()};
  words[1] = (words[1] & 0xFFFF0FFFU) | 0x4000U;
  words[2] = (words[2] & 0x3FFFFFFFU) | 0x80000000U;
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%08x-%04x-%04x-%04x-%04x%08x", words[0], words[1] >> 16,
                words[1] & 0xFFFFU, words[2] >> 16, words[2] & 0xFFFFU, words[3]);
  return text.data();
}

// Kubernetes' timestamps have whole seconds.
std::string now() {
  std::string text = rfc3339(std::chrono::system_clock::now());
  return text.replace(text.find('.'), std::string::npos, "Z");
}

Result<Document> read_document(json object, const std::string& where, const CommandContext& context,
                               bool namespace_given) {
  Document document{std::move(object), Kind::kWorkspace, "", "", where};
  const auto key = workspace::key_of(document.object);
  if (workspace::is_config_map(document.object)) {
    document.kind = Kind::kConfigMap;
  } else if (!workspace::is_workspace(document.object)) {
    return permanent("KindUnknown", where + ": '" + key.api_version + " " + key.kind +
                                        "' is not for tunesmith, which applies kaito.sh Workspaces "
                                        "and v1 ConfigMaps");
  }
  const std::string written = text_at(document.object, "/metadata/namespace");
  if (!written.empty() && namespace_given && written != context.name_space) {
    return permanent("NamespaceMismatch", where + ": the document says namespace \"" + written +
                                              "\", the command \"" + context.name_space + "\"");
  }
  document.name_space = written.empty() ? context.name_space : written;
  document.name = key.name;
  if (document.object.contains("metadata") && document.object["metadata"].is_object()) {
    document.object["metadata"]["namespace"] = document.name_space;
  }
  return document;
}

Result<std::vector<Document>> read_documents(const CommandContext& context,
                                             const std::vector<std::string>& files,
                                             bool namespace_given) {
  std::vector<Document> documents;
  for (const std::string& file : files) {
    const std::string shown = file == "-" ? "standard input" : file;
    const auto text = read_input(file);
    if (!text) return tl::unexpected(text.error());
    auto objects = workspace::parse_documents(*text);
    if (!objects) return permanent(objects.error().reason, shown + ": " + objects.error().message);
    for (std::size_t i = 0; i < objects->size(); ++i) {
      const std::string where =
          objects->size() == 1 ? shown : shown + ", document " + std::to_string(i + 1);
      auto document = read_document(std::move((*objects)[i]), where, context, namespace_given);
      if (!document) return tl::unexpected(document.error());
      documents.push_back(std::move(*document));
    }
  }
  if (documents.empty()) return permanent("UsageError", "no objects passed to apply");
  // A Workspace is observed the moment it is written: the ConfigMap it names must stand there
  // already.
  std::stable_sort(documents.begin(), documents.end(), [](const auto& a, const auto& b) {
    return a.kind == Kind::kConfigMap && b.kind != Kind::kConfigMap;
  });
  return documents;
}

// Every violation of every document is told before anything is sent.
Result<int> validate(const CommandContext& context, Session& session,
                     const std::vector<Document>& documents) {
  workspace::ValidationOptions options;
  options.allowed_data_hosts = session.allowed_data_hosts;
  options.allowed_data_paths = session.allowed_data_paths;
  options.allowed_host_paths = session.allowed_host_paths;
  int refused = 0;
  for (const Document& document : documents) {
    workspace::Admission admission;
    if (document.kind == Kind::kConfigMap) {
      admission = workspace::validate_config_map(document.object);
    } else {
      const auto stored = find_object(session, document.kind, document.name_space, document.name);
      if (!stored && !document.name.empty()) return tl::unexpected(stored.error());
      const json before =
          stored && *stored ? json::parse((*stored)->value, nullptr, false) : json();
      admission = before.is_object() ? workspace::validate_update(before, document.object, options)
                                     : workspace::validate_workspace(document.object, options);
    }
    const std::string name = shown_name(document.kind, document.name);
    for (const std::string& warning : admission.warnings) {
      context.err << "Warning: " << name << ": " << warning << "\n";
    }
    for (const workspace::Violation& violation : admission.violations) {
      context.err << "error: " << document.where << ": " << name << ": " << violation.text << "\n";
      ++refused;
    }
  }
  return refused;
}

Result<Change> store(Session& session, const Document& document) {
  const std::string key = key_of(document.kind, document.name_space, document.name);
  for (int conflicts = 0;; ++conflicts) {
    const auto entry = session.workspaces->get(key);
    if (!entry) return tl::unexpected(entry.error());
    json stored;
    if (*entry) stored = json::parse((*entry)->value, nullptr, false);
    const auto plan =
        (document.kind == Kind::kWorkspace ? plan_apply_workspace : plan_apply_config_map)(
            document.object, stored.is_object() ? &stored : nullptr, make_uid(), now());
    if (!plan) return tl::unexpected(plan.error());
    if (plan->change == Change::kUnchanged) return plan->change;
    const auto written =
        *entry ? session.workspaces->update(key, plan->object_json, (*entry)->revision)
               : session.workspaces->create(key, plan->object_json);
    if (written) return plan->change;
    const std::string& reason = written.error().reason;
    const bool conflict = reason == "RevisionConflict" || reason == "KeyExists";
    if (!conflict || conflicts == kMaxConflicts) return tl::unexpected(written.error());
  }
}

// The watcher reads a ConfigMap once per generation, so a change of it alone reaches nobody.
// `changed` are the keys this apply wrote.
Result<void> tell_users_of(const CommandContext& context, Session& session,
                           const Document& config_map, const std::set<std::string>& changed) {
  const auto workspaces = list_objects(session, Kind::kWorkspace, config_map.name_space);
  if (!workspaces) return tl::unexpected(workspaces.error());
  for (const json& workspace : *workspaces) {
    const std::string name = text_at(workspace, "/metadata/name");
    if (text_at(workspace, "/tuning/config") != config_map.name) continue;
    if (changed.count(key_of(Kind::kWorkspace, config_map.name_space, name)) > 0) continue;
    context.err << "Note: workspace.kaito.sh/" << name
                << " keeps the training configuration it was planned with: a changed ConfigMap "
                   "alone does not restart it. Delete and apply it again, or change its spec.\n";
  }
  return {};
}

}  // namespace

Result<int> apply(const CommandContext& context, const std::vector<std::string>& files,
                  bool namespace_given) {
  const auto documents = read_documents(context, files, namespace_given);
  if (!documents) return tl::unexpected(documents.error());
  auto session = open_session(context);
  if (!session) return tl::unexpected(session.error());
  const auto refused = validate(context, *session, *documents);
  if (!refused) return tl::unexpected(refused.error());
  if (*refused > 0) return 1;
  std::set<std::string> changed;
  for (const Document& document : *documents) {
    const auto change = store(*session, document);
    if (!change) return tl::unexpected(change.error());
    context.out << shown_name(document.kind, document.name) << " " << word_of(*change) << std::endl;
    if (*change != Change::kUnchanged) {
      changed.insert(key_of(document.kind, document.name_space, document.name));
    }
  }
  for (const Document& document : *documents) {
    const std::string key = key_of(document.kind, document.name_space, document.name);
    if (document.kind != Kind::kConfigMap || changed.count(key) == 0) continue;
    if (auto told = tell_users_of(context, *session, document, changed); !told) {
      return tl::unexpected(told.error());
    }
  }
  return 0;
}

}  // namespace tunesmith::cli
