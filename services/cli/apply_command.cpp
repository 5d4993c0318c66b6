#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "cli/apply_plan.h"
#include "cli/commands.h"
#include "cli/deletion_wait.h"
#include "cli/json_view.h"
#include "cli/manifest_input.h"
#include "runtime/text.h"
#include "workspace/validate.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

constexpr int kMaxConflicts = 8;
constexpr std::chrono::seconds kDeletionPatience{60};

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

// Every violation of every document is told before anything is sent.
Result<int> admit(const CommandContext& context, Session& session,
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
      const bool new_one =  // what is being deleted will be gone when this is written
          !before.is_object() || member(before, "/metadata/deletionTimestamp") != nullptr;
      admission = new_one ? workspace::validate_workspace(document.object, options)
                          : workspace::validate_update(before, document.object, options);
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

// What is being deleted is waited for, then made anew.
Result<Change> store_when_free(const CommandContext& context, Session& session,
                               const Document& document) {
  auto change = store(session, document);
  if (change || change.error().reason != "BeingDeleted") return change;
  const std::string shown = shown_name(document.kind, document.name);
  context.err << "Note: " << shown << " is still being deleted; waiting up to "
              << kDeletionPatience.count() << " s until it is gone" << std::endl;
  const auto gone = wait_until_deleted(*session.workspaces,
                                       key_of(document.kind, document.name_space, document.name),
                                       kDeletionPatience, context.stop);
  if (!gone) return tl::unexpected(gone.error());
  if (*gone) return store(session, document);
  return permanent("BeingDeleted", shown +
                                       " is still being deleted; apply it again when it is gone "
                                       "(`tunesmith describe` says what it waits for)");
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
    context.err
        << "Note: workspace.kaito.sh/" << name
        << " keeps the training configuration it was planned with: a ConfigMap is read once "
           "per generation. To train with the new one, name it differently and change "
           "tuning.config, or delete the Workspace and apply it again.\n";
  }
  return {};
}

}  // namespace

Result<int> apply(const CommandContext& context, const std::vector<std::string>& files,
                  bool namespace_given) {
  // A Workspace is observed the moment it is written: the ConfigMap it names stands before it.
  const auto [documents, problems] = read_documents(files, context.name_space, namespace_given);
  for (const DocumentProblem& problem : problems) {
    context.err << "error: " << problem.where << ": " << problem.failure.message << "\n";
  }
  if (!problems.empty()) return 1;
  if (documents.empty()) return permanent("UsageError", "no objects passed to apply");
  auto session = open_session(context);
  if (!session) return tl::unexpected(session.error());
  const auto refused = admit(context, *session, documents);
  if (!refused) return tl::unexpected(refused.error());
  if (*refused > 0) return 1;
  std::set<std::string> changed;
  for (const Document& document : documents) {
    const auto change = store_when_free(context, *session, document);
    if (!change) return tl::unexpected(change.error());
    context.out << shown_name(document.kind, document.name) << " " << word_of(*change) << std::endl;
    if (*change != Change::kUnchanged) {
      changed.insert(key_of(document.kind, document.name_space, document.name));
    }
  }
  for (const Document& document : documents) {
    const std::string key = key_of(document.kind, document.name_space, document.name);
    if (document.kind != Kind::kConfigMap || changed.count(key) == 0) continue;
    if (auto told = tell_users_of(context, *session, document, changed); !told) {
      return tl::unexpected(told.error());
    }
  }
  return 0;
}

}  // namespace tunesmith::cli
