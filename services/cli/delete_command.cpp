#include <nlohmann/json.hpp>
#include <ranges>

#include "cli/apply_plan.h"
#include "cli/commands.h"
#include "cli/deletion_wait.h"
#include "cli/manifest_input.h"
#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

struct Doomed {
  Kind kind;
  std::string name_space, name;
};

std::string now() {
  std::string text = rfc3339(std::chrono::system_clock::now());
  return text.replace(text.find('.'), std::string::npos, "Z");
}

Result<std::vector<Doomed>> doomed_objects(const CommandContext& context,
                                           const DeleteOptions& options) {
  std::vector<Doomed> doomed;
  const auto target = parse_target(options.arguments);
  if (!target) return tl::unexpected(target.error());
  for (const std::string& name : target->names) {
    doomed.push_back({target->kind, context.name_space, name});
  }
  const auto [documents, problems] = read_documents(options.files, context.name_space, false);
  if (!problems.empty()) {
    const auto& [where, failure] = problems.front();
    return tl::unexpected(
        Failure{failure.failure_class, failure.reason, where + ": " + failure.message});
  }
  // A Workspace goes before the ConfigMap it names.
  for (const auto& one : std::views::reverse(documents)) {
    doomed.push_back({one.kind, one.name_space, one.name});
  }
  if (doomed.empty()) {
    return permanent("UsageError", "expected the names of what is to be deleted, or -f FILE");
  }
  return doomed;
}

// Marks a Workspace as being deleted; the watcher sees it, and the provisioner cleans up.
Result<void> mark(Session& session, const Doomed& doomed) {
  const auto marked = change_object(session, doomed.kind, doomed.name_space, doomed.name,
                                    [](const json& stored) -> Result<std::optional<std::string>> {
                                      return plan_delete(stored, now());
                                    });
  if (marked || marked.error().reason == "NotFound") return {};
  if (marked.error().reason == "ObjectUndecodable") {
    return session.workspaces->remove(key_of(doomed.kind, doomed.name_space, doomed.name));
  }
  return tl::unexpected(marked.error());
}

Result<void> remove_one(Session& session, const Doomed& doomed) {
  if (doomed.kind == Kind::kConfigMap) {
    return session.workspaces->remove(key_of(doomed.kind, doomed.name_space, doomed.name));
  }
  return mark(session, doomed);
}

}  // namespace

Result<int> remove(const CommandContext& context, const DeleteOptions& options) {
  const auto doomed = doomed_objects(context, options);
  if (!doomed) return tl::unexpected(doomed.error());
  auto session = open_session(context);
  if (!session) return tl::unexpected(session.error());
  int missing = 0;
  for (const Doomed& one : *doomed) {
    const auto entry = find_object(*session, one.kind, one.name_space, one.name);
    if (!entry) return tl::unexpected(entry.error());
    if (!*entry) {
      if (!options.ignore_not_found) {
        context.err << "error: " << not_found(one.kind, one.name).value().message << "\n";
        ++missing;
      }
      continue;
    }
    if (auto removed = remove_one(*session, one); !removed) {
      return tl::unexpected(removed.error());
    }
    if (options.wait) {
      const auto gone =
          wait_until_deleted(*session->workspaces, key_of(one.kind, one.name_space, one.name),
                             std::nullopt, context.stop);
      if (!gone) return tl::unexpected(gone.error());
      if (!*gone) return permanent("Stopped", one.name + " is still being deleted");
    }
    context.out << shown_name(one.kind, one.name) << " deleted" << std::endl;
  }
  return missing == 0 ? 0 : 1;
}

}  // namespace tunesmith::cli
