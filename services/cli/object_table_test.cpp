#include "cli/object_table.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "cli/describe_text.h"
#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

const auto kNow = *parse_rfc3339("2026-01-31T12:10:00Z");

json running() {
  return json::parse(
      R"({"metadata": {"name": "a", "namespace": "default", "uid": "u", "generation": 1,
      "creationTimestamp": "2026-01-31T12:00:00Z"},
    "resource": {"instanceType": "Standard_NC6s_v3"},
    "tuning": {"preset": {"name": "p"}, "input": {"urls": ["https://h/d?sig=secret"]},
               "output": {"image": "r/a:1"}},
    "status": {"state": "Running", "observedGeneration": 1,
      "conditions": [{"type": "ResourceReady", "status": "True", "reason": "Ready", "message": "m",
                      "lastTransitionTime": "2026-01-31T12:01:00Z"},
                     {"type": "InferenceReady", "status": "False"}],
      "tuning": {"phase": "Training", "step": 4, "totalSteps": 9, "trainLoss": 0.5},
      "stages": [{"name": "Planning", "startedAt": "2026-01-31T12:00:00Z",
                  "finishedAt": "2026-01-31T12:00:03Z"},
                 {"name": "Training", "startedAt": "2026-01-31T12:08:00Z"}],
      "incidents": [{"time": "2026-01-31T12:05:00Z", "reason": "WorkerLost", "message": "gone",
                     "count": 2}],
      "plan": {"instanceType": "local", "repository": "org/m", "estimatedMemory": 1073741824}}})");
}

TEST(WorkspaceTable, HasKaitosColumns) {
  EXPECT_EQ(to_text(workspace_table({running()}, {.now = kNow})),
            "NAME   INSTANCE   RESOURCEREADY   INFERENCEREADY   JOBSTARTED   WORKSPACESUCCEEDED   "
            "WORKSPACEREADY   PROGRESS   LOSS   AGE\n"
            "a      local      True            False                                              "
            "                 4/9        0.5    10m\n");
}

TEST(WorkspaceTable, WideAndAllNamespacesAddColumns) {
  const std::string text =
      to_text(workspace_table({running()}, {.wide = true, .with_namespace = true, .now = kNow}));
  EXPECT_THAT(text, HasSubstr("NAMESPACE   NAME"));
  EXPECT_THAT(text, HasSubstr("10m   Running            r/a:1\n"));
}

TEST(WorkspaceTable, AnObjectWithoutStatusIsPending) {
  json object = running();
  object.erase("status");
  EXPECT_THAT(to_text(workspace_table({object}, {.wide = true, .now = kNow})),
              HasSubstr("10m   Pending"));
  EXPECT_THAT(to_text(workspace_table({object}, {.now = kNow})), HasSubstr("Standard_NC6s_v3"));
}

TEST(ConfigMapTable, CountsKeys) {
  const json object = {{"metadata", {{"name", "c"}}}, {"data", {{"k", "v"}}}};
  EXPECT_EQ(to_text(config_map_table({object}, {.now = kNow})),
            "NAME   DATA   AGE\nc      1      <unknown>\n");
}

TEST(Describe, TellsTheWholeStoryWithoutSecrets) {
  const std::string text = describe_text(running(), {"an event"}, kNow);
  for (const char* piece :
       {"Name:", "Data:         https://h/d\n", "  Model:      org/m\n", "  Memory:     1.0 GiB\n",
        "  Progress:        4/9\n", "Conditions:\n", "ResourceReady", "9m ago", "  Planning   3s\n",
        "  Training   2m so far\n", "WorkerLost (2 times)   gone\n", "Events:\n  an event\n"}) {
    EXPECT_THAT(text, HasSubstr(piece));
  }
  EXPECT_THAT(text, Not(HasSubstr("secret")));
}

TEST(Describe, ANewObjectIsPending) {
  json object = running();
  object.erase("status");
  EXPECT_THAT(describe_text(object, {}, kNow), HasSubstr("State:        Pending\n"));
}

}  // namespace
}  // namespace tunesmith::cli
