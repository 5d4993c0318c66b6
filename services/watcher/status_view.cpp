#include "watcher/status_view.h"

#include <array>
#include <tuple>

#include "watcher/status_render.h"

namespace tunesmith::watcher {

View::View(const Facts& facts) : facts_(facts) {
  if (const Known* change = find(kChange)) change_pass_ = change->last_pass();
  failed_ = find_failure();
}

std::string View::first(const char* token) const {
  const Known* known = find(token);
  return known == nullptr ? "" : known->first_since(change_pass_);
}

std::optional<View::Failed> View::find_failure() const {
  const Known* pushed = find("image-pushed");
  if (pushed != nullptr && pushed->last_pass() >= change_pass_) return std::nullopt;
  const bool trained = !first("adapter-ready").empty();
  std::optional<Failed> worst;
  std::tuple<std::int64_t, std::string> newest;
  for (const char* token :
       {"plan-rejected", "nodes-failed", "tuning-failed", "image-push-failed", "serving-failed"}) {
    const Known* known = find(token);
    if (known == nullptr || known->last_pass() < change_pass_) continue;
    if (pushed != nullptr && known->last_time() <= pushed->last_time()) continue;
    // What a late worker or a provider says after the adapter is there does not matter any more.
    const bool about_training =
        std::string(token) == "nodes-failed" || std::string(token) == "tuning-failed";
    if (trained && about_training) continue;
    const auto when = std::make_tuple(known->last_pass(), known->last_time());
    if (worst && when <= newest) continue;
    newest = when;
    worst = Failed{{known->data.value("reason", ""), known->data.value("message", "")},
                   token,
                   known->first_since(change_pass_)};
  }
  return worst;
}

bool View::waits_for_nodes() const {
  const Known* pending = find("nodes-pending");
  if (pending == nullptr || failed_ || succeeded() || deleting()) return false;
  if (!first("adapter-ready").empty()) return false;
  const Known* ready = find("nodes-ready");
  if (ready == nullptr) return true;
  return std::make_tuple(pending->last_pass(), pending->last_time()) >
         std::make_tuple(ready->last_pass(), ready->last_time());
}

const Known* View::waits_for_plan() const {
  const Known* pending = find("plan-pending");
  if (pending == nullptr || pending->data_pass < change_pass_) return nullptr;
  for (const char* end : {"tuning-planned", "serving-planned", "plan-rejected"}) {
    const Known* known = find(end);
    if (known != nullptr && known->last_pass() >= pending->data_pass) return nullptr;
  }
  return pending;
}

bool View::suspended() const {
  const Known* observed = find("workspace-observed");
  return observed != nullptr && observed->data.value("suspended", false);
}

}  // namespace tunesmith::watcher
