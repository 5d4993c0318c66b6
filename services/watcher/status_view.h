// Questions to the facts that several parts of the status ask. Internal to the watcher.
#pragma once

#include <optional>
#include <string>

#include "watcher/status_facts.h"

namespace tunesmith::watcher {

struct Told {
  std::string reason, message;
};

// References the facts, which outlive it.
class View {
 public:
  explicit View(const Facts& facts);

  const Facts& facts() const { return facts_; }
  const Known* find(const char* token) const { return facts_.find(token); }
  bool has(const char* token) const { return find(token) != nullptr; }
  // When it was first told since the last change of the object; empty = not yet.
  std::string first(const char* token) const;

  // The failure that counts: told since the last change, and not overtaken by success. After a
  // success, only of a change (a retry) that came later and led to nothing.
  struct Failed {
    Told told;
    const char* token;
    std::string time;
  };
  const std::optional<Failed>& failed() const { return failed_; }
  bool succeeded() const { return has("image-pushed") && !failed_; }
  bool deleting() const { return has("workspace-deleted"); }
  // Nodes are waited for: the last word about them is NodesPending.
  bool waits_for_nodes() const;
  // What the planner waits for; nullptr when there is a plan, a refusal or a later change.
  const Known* waits_for_plan() const;
  bool suspended() const;

  // The last pass in which the object was changed: failures of earlier ones do not count any more.
  std::int64_t change_pass() const { return change_pass_; }

 private:
  std::optional<Failed> find_failure() const;

  const Facts& facts_;
  std::int64_t change_pass_ = 0;
  std::optional<Failed> failed_;
};

}  // namespace tunesmith::watcher
