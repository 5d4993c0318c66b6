#include "cli/timeline.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

WallTime at(const std::string& time) { return *parse_rfc3339("2026-01-31T" + time + "Z"); }

json stage(const char* name, const std::string& from, const std::string& to = "") {
  json stage = {{"name", name}, {"startedAt", "2026-01-31T" + from + "Z"}};
  if (!to.empty()) stage["finishedAt"] = "2026-01-31T" + to + "Z";
  return stage;
}

json event(const char* token, const std::string& time, const json& data) {
  return {{"event", token}, {"time", "2026-01-31T" + time + "Z"}, {"data", data}};
}

json finished() {
  return {{"state", "Succeeded"},
          {"stages",
           {stage("Planning", "12:00:00", "12:00:02"), stage("Waiting", "12:00:02", "12:00:22"),
            stage("Training", "12:00:22", "12:01:30"), stage("Pushing", "12:01:30", "12:01:40")}},
          {"incidents",
           {{{"time", "2026-01-31T12:00:50Z"},
             {"reason", "EngineKilled"},
             {"message", "killed from outside"},
             {"count", 2}}}}};
}

std::vector<json> history() {
  return {event("nodes-pending", "12:00:02", {{"waiting", {{"reason", "NoFreeWorker"}}}}),
          event("nodes-pending", "12:00:12", {{"waiting", {{"reason", "NoFreeWorker"}}}}),
          event("nodes-ready", "12:00:22", json::object()),
          event("tuning-started", "12:00:22", {{"attempt", "1"}, {"total_steps", "100"}}),
          event("tuning-started", "12:00:55",
                {{"attempt", "2"},
                 {"resumed_step", "40"},
                 {"total_steps", "100"},
                 {"previous_failure", {{"reason", "EngineKilled"}}}})};
}

TEST(Timeline, IsAWaterfallOfStagesAndWaits) {
  EXPECT_EQ(timeline_text(timeline_of(finished(), history(), at("13:00:00")), {.width = 68}),
            R"(Planning                   ▊                                    2.0s
Waiting                    ░░░░░░░░                              20s
provisioner: NoFreeWorker  ░░░░░░░░                              20s
Training                          ████████████████████████▌      68s
Pushing                                                   ████   10s
                     +22s         ▶ attempt 1 of 100
                     +50s                   ✗
                           EngineKilled (2 times): killed from outs…
                     +55s                     ▶
                           attempt 2 from step 40 of 100, after Eng…
total                                                           100s  Succeeded
)");
}

TEST(Timeline, HasAPlainFormForOtherTerminals) {
  EXPECT_EQ(
      timeline_text(timeline_of(finished(), {}, at("13:00:00")), {.width = 50, .utf8 = false}),
      R"(Planning  #                                   2.0s
Waiting   --------                             20s
Training         ########################      68s
Pushing                                 ####   10s
    +50s                   x
          EngineKilled (2 times): killed from o...
total                                         100s  Succeeded
)");
}

TEST(Timeline, WhatGoesOnEndsNowAndIsMarked) {
  const json status = {
      {"state", "Running"},
      {"stages", {stage("Planning", "12:00:00", "12:00:10"), stage("Training", "12:00:10")}}};
  EXPECT_EQ(timeline_text(timeline_of(status, {}, at("12:00:20")), {.width = 40}),
            R"(Planning  ████████████▌              10s
Training              ████████████▸  10s
total                                20s  Running
)");
}

TEST(Timeline, AWaitEndsWhereItsReasonChangesOrIsOver) {
  const std::vector<json> events{
      event("plan-pending", "12:00:00", {{"waiting", {{"reason", "ModelHubUnavailable"}}}}),
      event("plan-pending", "12:00:05", {{"waiting", {{"reason", "DataHostUnavailable"}}}}),
      event("tuning-planned", "12:00:07", json::object()),
      event("tuning-progressed", "12:00:08", {{"waiting", {{"reason", "TimedOut"}}}}),
      event("tuning-progressed", "12:00:11", {{"phase", "Downloading"}})};
  const auto timeline = timeline_of({{"state", "Running"}}, events, at("12:01:00"));
  ASSERT_EQ(timeline.bars.size(), 3u);
  EXPECT_EQ(timeline.bars[0].name, "planner: ModelHubUnavailable");
  EXPECT_EQ(timeline.bars[0].end, at("12:00:05"));
  EXPECT_EQ(timeline.bars[1].end, at("12:00:07"));
  EXPECT_EQ(timeline.bars[2].name, "worker: TimedOut");
  EXPECT_EQ(timeline.bars[2].end, at("12:00:11"));
  EXPECT_FALSE(timeline.bars[2].open);
}

TEST(Timeline, FitsAnyWidth) {
  for (std::size_t width = 1; width < 200; ++width) {
    EXPECT_FALSE(timeline_text(timeline_of(finished(), history(), at("13:00:00")),
                               {.width = width, .utf8 = width % 2 == 0})
                     .empty());
  }
  EXPECT_EQ(timeline_text({}, {}), "Nothing has begun yet.\n");
}

TEST(Timeline, OddStatusesAreNoTrouble) {
  const json odd = {{"stages", {7, {{"name", 3}}, {{"startedAt", "never"}}}}, {"incidents", "x"}};
  EXPECT_TRUE(
      timeline_of(odd, {json(), {{"event", "tuning-started"}}}, at("12:00:00")).bars.empty());
}

}  // namespace
}  // namespace tunesmith::cli
