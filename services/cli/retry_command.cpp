#include <chrono>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/apply_plan.h"
#include "cli/commands.h"
#include "workspace/workspace.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

// How long the watcher may take to see a retry before that is worth a word.
constexpr std::chrono::seconds kPatience{5};

// Waits until the watcher wrote a status after `revision` of the Workspace, so that who asks next
// (`tunesmith watch`) does not find the old failure. False when that took too long.
Result<bool> wait_until_seen(const CommandContext& context, Session& session,
                             const std::string& name, std::uint64_t revision) {
  std::stop_source enough;
  const std::stop_callback on_ctrl_c(context.stop, [&] { enough.request_stop(); });
  std::jthread timer([&](std::stop_token over) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any().wait_for(lock, over, kPatience, [] { return false; });
    enough.request_stop();
  });
  bool seen = false;
  const auto watched = session.workspaces->watch(
      status_key(context.name_space, name),
      [&](const bus::KeyValueEntry& entry) {
        // Revisions are of the whole bucket.
        seen = seen || entry.revision > revision;
        if (seen) enough.request_stop();
      },
      [] {}, enough.get_token());
  if (!watched) return tl::unexpected(watched.error());
  return seen;
}

struct Retried {
  std::uint64_t revision = 0;
  bool suspended = false;
};

Result<Retried> retry_one(const CommandContext& context, Session& session,
                          const std::string& name) {
  Retried retried;
  const auto changed = change_object(session, Kind::kWorkspace, context.name_space, name,
                                     [&](const json& stored) -> Result<std::optional<std::string>> {
                                       retried.suspended = workspace::is_suspended(stored);
                                       return plan_retry(stored, unix_now());
                                     });
  if (!changed) return tl::unexpected(changed.error());
  retried.revision = *changed;
  return retried;
}

}  // namespace

Result<int> retry(const CommandContext& context, const std::vector<std::string>& arguments) {
  const auto names = parse_workspace_names(arguments);
  if (!names) return tl::unexpected(names.error());
  auto session = open_session(context);
  if (!session) return tl::unexpected(session.error());
  int failed = 0;
  for (const std::string& name : *names) {
    const auto retried = retry_one(context, *session, name);
    if (!retried) {
      context.err << "error: " << retried.error().message << "\n";
      ++failed;
      continue;
    }
    context.out << shown_name(Kind::kWorkspace, name) << " retried" << std::endl;
    if (retried->suspended) {
      context.err << "Note: " << name << " is suspended; `tunesmith resume " << name
                  << "` lets it go on.\n";
      continue;
    }
    const auto seen = wait_until_seen(context, *session, name, retried->revision);
    if (!seen) return tl::unexpected(seen.error());
    if (!*seen) {
      context.err << "Note: the watcher has not taken up " << name
                  << " yet; it does so when it runs.\n";
    }
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace tunesmith::cli
