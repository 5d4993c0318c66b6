#include "watcher/status_conditions.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>
#include <vector>

#include "watcher/status_render.h"

namespace tunesmith::watcher {

using nlohmann::json;

namespace {

// One side of a condition: the events that say so. `reason` is used when the event itself tells
// none.
struct Side {
  std::vector<const char*> tokens;
  const char* reason;
  const char* message;
};

struct Verdict {
  const Known* known = nullptr;
  const Side* side = nullptr;
};

using When = std::tuple<std::int64_t, std::string>;

// The latest word of a side, judged by pass and time.
Verdict latest(const View& view, const Side& side) {
  Verdict best;
  for (const char* token : side.tokens) {
    const Known* known = view.find(token);
    if (known == nullptr) continue;
    if (best.known == nullptr || When(known->last_pass(), known->last_time()) >
                                     When(best.known->last_pass(), best.known->last_time())) {
      best = {known, &side};
    }
  }
  return best;
}

// When the winner's side began to be true: its first word in a pass after the loser's last, or in
// the same pass when the loser spoke before it.
std::string transition(const Known& winner, const Known* loser) {
  if (loser == nullptr) return winner.first_since(0);
  std::string later = winner.first_since(loser->last_pass() + 1);
  if (!later.empty()) return later;
  const auto same = winner.passes.find(loser->last_pass());
  return same == winner.passes.end() ? winner.last_time()
                                     : std::max(same->second.first, loser->last_time());
}

class Conditions {
 public:
  explicit Conditions(const View& view) : view_(view) {}

  void add(const char* type, bool status, const std::string& reason, const std::string& message,
           const std::string& since) {
    all_.push_back({{"type", type},
                    {"status", status ? "True" : "False"},
                    {"reason", reason},
                    {"message", message},
                    {"observedGeneration", view_.facts().generation},
                    {"lastTransitionTime", since}});
  }

  // Decided by who spoke last; between words of the same pass, `no_wins_a_pass` lets a refusal
  // stand whatever its time.
  void add(const char* type, const Side& yes, const Side& no, bool no_wins_a_pass) {
    const Verdict is = latest(view_, yes);
    Verdict not_is = latest(view_, no);
    // A refusal from before the last change is history.
    if (not_is.known != nullptr && not_is.known->last_pass() < view_.change_pass()) {
      not_is.known = nullptr;
    }
    if (is.known == nullptr && not_is.known == nullptr) return;
    bool true_now = not_is.known == nullptr;
    if (is.known != nullptr && not_is.known != nullptr) {
      const auto ours = is.known->last_pass();
      const auto theirs = not_is.known->last_pass();
      true_now = ours > theirs || (ours == theirs && !no_wins_a_pass &&
                                   is.known->last_time() >= not_is.known->last_time());
    }
    const Verdict& wins = true_now ? is : not_is;
    const Known* loser = true_now ? not_is.known : is.known;
    add(type, true_now, wins.known->data.value("reason", wins.side->reason),
        wins.known->data.value("message", wins.side->message), transition(*wins.known, loser));
  }

  json take() { return std::move(all_); }

 private:
  const View& view_;
  json all_ = json::array();
};

void add_progressing(const View& view, Conditions& conditions) {
  const std::string started = view.first("tuning-started");
  if (started.empty()) return;
  const std::string ready = view.first("adapter-ready");
  if (!ready.empty()) {
    return conditions.add("TuningProgressing", false, "TuningFinished", "the adapter is trained",
                          ready);
  }
  if (view.failed()) {
    return conditions.add("TuningProgressing", false, view.failed()->told.reason,
                          view.failed()->told.message, view.failed()->time);
  }
  conditions.add("TuningProgressing", true, "TuningRunning", "a worker trains the adapter",
                 started);
}

// Of an adapter that is where the user wanted it.
bool is_in_folder(const View& view) { return view.find("image-pushed")->data.contains("path"); }

void add_outcome(const View& view, Conditions& conditions) {
  const Known* pushed = view.find("image-pushed");
  if (view.succeeded()) {
    conditions.add("WorkspaceSucceeded", true, "ImagePushed",
                   is_in_folder(view)
                       ? "the adapter is in the output folder"
                       : "the adapter is in the registry and was read back by its digest",
                   pushed->first_since(0));
  } else if (view.failed()) {
    const auto& failed = *view.failed();
    conditions.add("WorkspaceSucceeded", false, failed.told.reason, failed.told.message,
                   failed.time);
  }
  // Stays, also when a retry of a Workspace that was ready fails: its image is there.
  if (pushed != nullptr) {
    conditions.add("WorkspaceReady", true, "GoalsReached", "all goals are reached",
                   pushed->first_since(0));
  } else if (view.failed()) {
    const auto& failed = *view.failed();
    conditions.add("WorkspaceReady", false, failed.told.reason, failed.told.message, failed.time);
  }
  const std::string observed = view.first("workspace-observed");
  if (!observed.empty()) {
    conditions.add("InferenceReady", false, "NotServing", "nothing serves this model", observed);
  }
}

void add_deletion(const View& view, Conditions& conditions) {
  if (!view.deleting()) return;
  conditions.add("WorkspaceDeleting", true, "DeletionRequested", "everything is being cleaned up",
                 view.find("workspace-deleted")->first_since(0));
  // The provisioner tells a clean-up that does not end as a wait of its own.
  if (const Known* stuck = view.find(kCleanupStuck)) {
    conditions.add("CleanupStuck", true, kCleanupStuck, stuck->data.value("message", ""),
                   stuck->first_since(0));
  }
}

}  // namespace

json conditions_of(const View& view) {
  Conditions conditions(view);
  const Side nothing{{}, "", ""};
  conditions.add("PlanAccepted",
                 {{"tuning-planned", "serving-planned"}, "Planned", "the plan stands"},
                 {{"plan-rejected"}, "", ""}, true);
  const Side nodes_are{{"nodes-ready"}, "NodesReady", "the nodes are there"};
  const Side nodes_are_not{{"nodes-pending", "nodes-failed"}, "", ""};
  conditions.add("NodesReady", nodes_are, nodes_are_not, false);
  conditions.add("ResourceReady", nodes_are, nodes_are_not, false);
  conditions.add("JobStarted", {{"tuning-started"}, "JobStarted", "a worker has begun"}, nothing,
                 false);
  add_progressing(view, conditions);
  conditions.add("AdapterStored", {{"adapter-ready"}, "AdapterStored", "the adapter is stored"},
                 nothing, false);
  const bool in_folder = view.succeeded() && is_in_folder(view);
  conditions.add(
      "ImagePushed",
      {{"image-pushed"},
       "ImagePushed",
       in_folder ? "the adapter is in the output folder" : "the image is in the registry"},
      {{"image-push-failed"}, "", ""}, false);
  add_outcome(view, conditions);
  add_deletion(view, conditions);
  return conditions.take();
}

}  // namespace tunesmith::watcher
