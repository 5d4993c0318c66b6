#include "cli/timeline.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/json_view.h"
#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

void add_stages(const json& status, WallTime now, Timeline& timeline) {
  const std::string state = text_at(status, "/state");
  const bool over = state == "Succeeded" || state == "Failed";
  for (const json& stage : array_at(status, "/stages")) {
    const auto begin = parse_rfc3339(text_at(stage, "/startedAt"));
    const auto end = parse_rfc3339(text_at(stage, "/finishedAt"));
    if (!begin) continue;
    const std::string name = text_at(stage, "/name");
    const bool open = !end && !over;
    timeline.bars.push_back({name, *begin, std::max(*begin, end.value_or(open ? now : *begin)),
                             open, name == "Waiting"});
  }
}

std::string reason_of(const json& event) { return text_at(event, "/data/waiting/reason"); }

// The thing that waits, and what says that it goes on.
struct Wait {
  const char* event;
  const char* who;
  std::vector<std::string> over;
};

const std::vector<Wait>& waits() {
  static const std::vector<Wait> all{
      {"plan-pending", "planner", {"tuning-planned", "plan-rejected"}},
      {"nodes-pending", "provisioner", {"nodes-ready", "nodes-failed"}},
      {"tuning-progressed", "worker", {"tuning-started", "adapter-ready", "tuning-failed"}},
      {"image-push-progressed",
       "image-builder",
       {"plan-cleared", "plan-rejected", "image-pushed", "image-push-failed"}}};
  return all;
}

// A wait begins with the first event that names its reason and ends with one that does not, or that
// tells of what was waited for.
void add_waits(const std::vector<json>& events, WallTime now, Timeline& timeline) {
  for (const Wait& wait : waits()) {
    TimelineBar open;  // without a name: none
    const auto close = [&](WallTime at, bool still) {
      if (open.name.empty()) return;
      open.end = std::max(open.begin, at);
      open.open = still;
      timeline.bars.push_back(open);
      open.name.clear();
    };
    for (const json& event : events) {
      const auto time = parse_rfc3339(text_at(event, "/time"));
      const std::string token = text_at(event, "/event");
      const bool ends = std::find(wait.over.begin(), wait.over.end(), token) != wait.over.end();
      if (!time || (token != wait.event && !ends)) continue;
      const std::string reason = ends ? "" : reason_of(event);
      const std::string name = std::string(wait.who) + ": " + reason;
      if (open.name == name) continue;
      close(*time, false);
      if (!reason.empty()) open = TimelineBar{name, *time, *time, false, true};
    }
    const bool over = timeline.state == "Succeeded" || timeline.state == "Failed";
    close(over ? open.begin : now, !over);
  }
}

void add_attempts(const std::vector<json>& events, Timeline& timeline) {
  for (const json& event : events) {
    if (text_at(event, "/event") != "tuning-started") continue;
    const auto time = parse_rfc3339(text_at(event, "/time"));
    if (!time) continue;
    // 64 bits are texts in Protobuf's JSON.
    std::string text = "attempt " + text_at(event, "/data/attempt");
    const std::string step = text_at(event, "/data/resumed_step");
    const std::string steps = text_at(event, "/data/total_steps");
    if (!step.empty() && step != "0") text += " from step " + step;
    if (!steps.empty()) text += " of " + steps;
    const std::string why = text_at(event, "/data/previous_failure/reason");
    if (!why.empty()) text += ", after " + why;
    timeline.marks.push_back({*time, false, std::move(text)});
  }
}

void add_incidents(const json& status, Timeline& timeline) {
  for (const json& incident : array_at(status, "/incidents")) {
    const auto time = parse_rfc3339(text_at(incident, "/time"));
    if (!time) continue;
    const std::int64_t count = integer_at(incident, "/count");
    timeline.marks.push_back({*time, true,
                              text_at(incident, "/reason") +
                                  (count > 1 ? " (" + std::to_string(count) + " times)" : "") +
                                  ": " + text_at(incident, "/message")});
  }
}

}  // namespace

Timeline timeline_of(const json& status, const std::vector<json>& events, WallTime now) {
  Timeline timeline;
  timeline.state = text_at(status, "/state");
  add_stages(status, now, timeline);
  add_waits(events, now, timeline);
  add_attempts(events, timeline);
  add_incidents(status, timeline);
  std::stable_sort(timeline.bars.begin(), timeline.bars.end(),
                   [](const auto& a, const auto& b) { return a.begin < b.begin; });
  std::stable_sort(timeline.marks.begin(), timeline.marks.end(),
                   [](const auto& a, const auto& b) { return a.time < b.time; });
  return timeline;
}

}  // namespace tunesmith::cli
