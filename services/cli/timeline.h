// The history of a Workspace as a waterfall of stages and waits. Pure.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/style.h"

namespace tunesmith::cli {

using WallTime = std::chrono::system_clock::time_point;

struct TimelineBar {
  std::string name;
  WallTime begin{}, end{};
  bool open = false;  // still going on
  bool wait = false;  // nothing was done meanwhile
};

struct TimelineMark {
  WallTime time{};
  bool incident = false;  // else: an attempt begins
  std::string text;
};

struct Timeline {
  std::vector<TimelineBar> bars;    // by their begin
  std::vector<TimelineMark> marks;  // by their time
  std::string state;                // "Succeeded", …
};

// From the status (stages, incidents) and the events as event_json() gives them (attempts, waits).
// What still goes on ends at `now`.
Timeline timeline_of(const nlohmann::json& status, const std::vector<nlohmann::json>& events,
                     WallTime now);

struct TimelineLook {
  std::size_t width = 80;
  bool utf8 = true;  // else bars of # and -
  Style style{false};
};

// One line per bar: name, bar, seconds; then the marks, one line each, and the total.
std::string timeline_text(const Timeline& timeline, const TimelineLook& look);

}  // namespace tunesmith::cli
