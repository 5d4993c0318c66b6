#include "watcher/status_render.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <vector>

#include "watcher/status_conditions.h"
#include "watcher/status_view.h"

namespace tunesmith::watcher {

using nlohmann::json;

namespace {

constexpr std::size_t kMostShown = 20;  // incidents

std::string earliest(std::initializer_list<std::string> times) {
  std::string first;
  for (const auto& time : times) {
    if (!time.empty() && (first.empty() || time < first)) first = time;
  }
  return first;
}

struct Stage {
  const char* name;
  std::string started, finished;
};

// A stage begins where the one before it ends, unless it says itself when it began; it ends when
// something later has begun.
std::vector<Stage> stages_of(const View& view) {
  const auto first = [&](const char* token) { return view.first(token); };
  const auto phase = [&](const char* name) { return view.first(phase_token(name).c_str()); };
  const std::string training = earliest({phase("Training"), phase("Evaluating")});
  const std::string storing = phase("Storing");
  const std::string ready = first("adapter-ready");
  const std::string started = first("tuning-started");
  const std::string nodes = first("nodes-ready");
  const std::string cleared = first("plan-cleared");
  const std::string planned = first("tuning-planned");
  const std::vector<Stage> all = {
      {"Planning", first("workspace-observed"), planned},
      {"CheckingOutput", planned, cleared},
      {"Waiting", cleared, earliest({nodes, started})},
      {"Downloading", earliest({phase("Downloading"), started}),
       earliest({training, storing, ready})},
      {"Training", training, earliest({storing, ready})},
      {"Storing", storing, ready},
      {"Pushing", ready, first("image-pushed")},
  };
  std::vector<Stage> begun;
  for (const Stage& stage : all) {
    if (!stage.started.empty()) begun.push_back(stage);
  }
  return begun;
}

json stages_json(const std::vector<Stage>& stages) {
  json all = json::array();
  for (const Stage& stage : stages) {
    json entry = {{"name", stage.name}, {"startedAt", stage.started}};
    if (!stage.finished.empty()) entry["finishedAt"] = stage.finished;
    all.push_back(entry);
  }
  return all;
}

const char* state_of(const View& view) {
  if (view.succeeded()) return "Succeeded";
  if (view.failed()) return "Failed";
  if (!view.first("adapter-ready").empty()) return "Running";
  const bool has_nodes =
      !view.first("nodes-ready").empty() || !view.first("tuning-started").empty();
  return has_nodes && !view.waits_for_nodes() ? "Running" : "Pending";
}

void copy(const json& from, json& to, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (from.contains(key)) to[key] = from.at(key);
  }
}

std::string phase_of(const View& view) {
  if (view.succeeded()) return "Finished";
  if (!view.first("adapter-ready").empty()) return "Pushing";
  const Known* progress = view.find("tuning-progressed");
  return progress == nullptr ? "Starting" : progress->data.value("phase", "");
}

// The image-builder's last word about what it does now: what the check of the output waited for is
// over with PlanCleared, and the push begins with the adapter.
const Known* push_progress(const View& view) {
  const Known* progress = view.find("image-push-progressed");
  if (progress == nullptr) return nullptr;
  std::string over = view.first("adapter-ready");
  const Known* cleared = view.find("plan-cleared");
  if (over.empty() && cleared != nullptr) over = cleared->last_time();
  return progress->data_time > over ? progress : nullptr;
}

json tuning_json(const View& view) {
  json tuning = json::object();
  if (const Known* planned = view.find("tuning-planned")) {
    copy(planned->data.at("plan"), tuning, {"tuningKey"});
  }
  const Known* started = view.find("tuning-started");
  if (started != nullptr) copy(started->data, tuning, {"attempt", "totalSteps"});
  const Known* progress = view.find("tuning-progressed");
  if (progress != nullptr) {
    const std::uint64_t newest = started == nullptr ? 0 : started->data.value("attempt", 0u);
    // A new attempt has made no progress yet: the old one's would be shown as its own.
    if (progress->data.value("attempt", 0u) >= newest) {
      copy(progress->data, tuning,
           {"attempt", "step", "epoch", "trainLoss", "evalLoss", "learningRate", "tokensPerSecond",
            "etaSeconds", "bytesDone", "bytesTotal"});
      if (progress->data.value("totalSteps", 0u) > 0) copy(progress->data, tuning, {"totalSteps"});
    }
  }
  if (const Known* ready = view.find("adapter-ready")) {
    copy(ready->data, tuning, {"attempt", "trainLoss", "evalLossBefore", "evalLoss"});
    copy(ready->data.at("plan"), tuning, {"tuningKey"});
    tuning["step"] = tuning["totalSteps"] = ready->data.at("steps");
    tuning["adapterDigest"] = "sha256:" + ready->data.value("sha256", "");
    tuning["etaSeconds"] = 0;
    tuning.erase("bytesDone");  // of the download
    tuning.erase("bytesTotal");
    const Known* pushing = push_progress(view);
    if (pushing != nullptr && pushing->data.value("bytesTotal", 0u) > 0) {
      copy(pushing->data, tuning, {"bytesDone", "bytesTotal"});
    }
  }
  if (started != nullptr || progress != nullptr || view.has("adapter-ready")) {
    tuning["phase"] = phase_of(view);
  }
  return tuning;
}

json plan_json(const View& view) {
  const Known* from = view.find("tuning-planned");
  if (from == nullptr) from = view.find("adapter-ready");
  if (from == nullptr) return nullptr;
  json plan = from->data.at("plan");
  plan.erase("tuningKey");
  for (const char* either : {"preset", "repository"}) {
    if (plan.value(either, "").empty()) plan.erase(either);
  }
  return plan;
}

json waiting_json(const View& view) {
  if (view.succeeded() || view.failed() || view.deleting()) return nullptr;
  if (view.suspended()) {
    return {{"reason", "Suspended"},
            {"message", "the annotation tunesmith.dev/suspend is set; remove it to go on"},
            {"since", view.find("workspace-observed")->data_time}};
  }
  if (const Known* pending = view.waits_for_plan()) {
    json waiting = pending->data;
    waiting["since"] = pending->first_since(pending->data_pass);
    return waiting;
  }
  if (view.waits_for_nodes()) {
    const Known* pending = view.find("nodes-pending");
    json waiting = {{"reason", pending->data.value("reason", "")},
                    {"message", pending->data.value("message", "")},
                    {"since", view.first("nodes-pending")}};
    const auto place = pending->data.value("queuePosition", 0u);
    if (place > 0) waiting["queuePosition"] = place;
    if (view.first("nodes-pending").empty()) waiting["since"] = pending->data_time;
    return waiting;
  }
  const Known* progress = view.find("tuning-progressed");
  if (progress != nullptr && progress->data.contains("waiting") && !view.has("adapter-ready")) {
    json waiting = progress->data.at("waiting");
    waiting["since"] = progress->data_time;
    return waiting;
  }
  const Known* pushing = push_progress(view);
  if (pushing != nullptr && pushing->data.contains("waiting")) {
    json waiting = pushing->data.at("waiting");
    waiting["since"] = view.first("image-push-progressed");
    return waiting;
  }
  return nullptr;
}

// The same trouble told several times is one line with a count.
json incidents_json(const View& view) {
  json shown = json::array();
  for (const Incident& incident : view.facts().incidents()) {
    const auto same = std::find_if(shown.begin(), shown.end(), [&](const json& other) {
      return other.at("reason") == incident.reason && other.at("message") == incident.message;
    });
    if (same == shown.end()) {
      shown.push_back({{"time", incident.time},
                       {"reason", incident.reason},
                       {"message", incident.message},
                       {"count", 1}});
    } else {
      (*same)["count"] = same->at("count").get<int>() + 1;
      (*same)["time"] = incident.time;
    }
  }
  while (shown.size() > kMostShown) shown.erase(shown.begin());
  return shown;
}

}  // namespace

std::string phase_token(const std::string& phase) { return "phase/" + phase; }

json render(const Facts& facts) {
  const View view(facts);
  json status = {{"observedGeneration", facts.generation},
                 {"state", state_of(view)},
                 {"conditions", conditions_of(view)},
                 {"stages", stages_json(stages_of(view))},
                 {"facts", facts.to_json()}};
  // Whether the status already speaks of the annotations as they are now: `watch` after `retry`.
  if (const Known* observed = view.find("workspace-observed")) {
    status["observedAnnotations"] = observed->data.value("annotationsHash", "");
  }
  if (const Known* nodes = view.find("nodes-ready")) status["workerNodes"] = nodes->data["nodes"];
  if (json tuning = tuning_json(view); !tuning.empty()) status["tuning"] = std::move(tuning);
  if (const Known* pushed = view.find("image-pushed")) {
    status["output"] = pushed->data;
    status["output"]["pushedAt"] = pushed->first_since(0);
  }
  if (json plan = plan_json(view); !plan.is_null()) status["plan"] = std::move(plan);
  if (json waiting = waiting_json(view); !waiting.is_null()) status["waiting"] = std::move(waiting);
  if (json incidents = incidents_json(view); !incidents.empty()) {
    status["incidents"] = std::move(incidents);
  }
  if (view.failed()) {
    status["failure"] = {{"reason", view.failed()->told.reason},
                         {"message", view.failed()->told.message}};
  }
  return status;
}

bool same_to_people(const json& one, const json& other) {
  if (!one.is_object() || !other.is_object()) return one == other;
  const auto skip_facts = [](auto& at, const auto& end) {
    if (at != end && at.key() == "facts") ++at;
  };
  auto left = one.begin();
  auto right = other.begin();
  while (true) {
    skip_facts(left, one.end());
    skip_facts(right, other.end());
    if (left == one.end() || right == other.end()) break;
    if (left.key() != right.key() || *left != *right) return false;
    ++left;
    ++right;
  }
  return left == one.end() && right == other.end();
}

}  // namespace tunesmith::watcher
