#include "cli/progress_line.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "cli/format.h"
#include "workspace/workspace.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const json kObject = {{"metadata", {{"name", "a"}, {"generation", 2}}}};

json training() {
  return json::parse(R"({"state": "Running", "observedGeneration": 2,
    "tuning": {"phase": "Training", "step": 42, "totalSteps": 240, "trainLoss": 1.23456,
               "tokensPerSecond": 812.4, "etaSeconds": 187},
    "stages": [{"name": "Planning", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:02.4Z"},
               {"name": "Training", "startedAt": "2026-01-01T00:00:03Z"}]})");
}

TEST(PlainLine, TellsStepLossRateAndEta) {
  EXPECT_EQ(plain_line(training()), "Training  42/240  loss 1.235  812 tok/s  eta 3m7s");
}

TEST(PlainLine, TellsWhatItWaitsFor) {
  const json status = json::parse(R"({"state": "Pending", "waiting":
    {"reason": "NoFreeWorker", "message": "1 worker, 2 wanted", "queuePosition": 2}})");
  EXPECT_EQ(plain_line(status), "Waiting  NoFreeWorker (place 2): 1 worker, 2 wanted");
  EXPECT_EQ(progress_of(status), "NoFreeWorker");
}

TEST(PlainLine, TellsBytesOfADownload) {
  const json status = json::parse(R"({"state": "Running",
    "tuning": {"phase": "Downloading", "bytesDone": 1048576, "bytesTotal": 4194304}})");
  EXPECT_EQ(plain_line(status), "Downloading  1.0 MiB of 4.0 MiB");
  EXPECT_EQ(progress_of(status), "25%");
}

TEST(PlainLine, BytesOfAFinishedDownloadAreNotShownLater) {
  json status = training();
  status["tuning"]["bytesDone"] = 100;
  status["tuning"]["bytesTotal"] = 100;
  EXPECT_EQ(plain_line(status), plain_line(training()));
  status["tuning"]["phase"] = "Storing";
  EXPECT_EQ(plain_line(status), "Storing");
}

TEST(PlainLine, ANewAttemptFetchesAgainWhileTheStageIsStillTraining) {
  json status = training();
  status["tuning"] = {{"phase", "Downloading"}, {"bytesDone", 1024}, {"bytesTotal", 2048}};
  EXPECT_EQ(plain_line(status), "Downloading  1.0 KiB of 2.0 KiB");
}

TEST(PlainLine, AWaitWithoutAReasonIsAStart) {
  const json status = json::parse(
      R"({"state": "Pending", "stages": [{"name": "Waiting", "startedAt": "2026-01-01T00:00:00Z"}]})");
  EXPECT_EQ(plain_line(status), "Starting");
}

TEST(PlainLine, AnEmptyStatusIsPending) {
  EXPECT_EQ(plain_line(json::object()), "Pending");
  EXPECT_EQ(plain_line(json()), "Pending");
  EXPECT_EQ(progress_of(json::object()), "");
}

TEST(TerminalLine, FitsItsWidth) {
  EXPECT_EQ(terminal_line(training(), 80),
            "Training [====>                       ]  42/240  loss 1.235  812 tok/s  eta 3m7s");
  for (const std::size_t width : {0u, 1u, 10u, 40u, 60u, 61u, 62u, 70u, 100u, 300u}) {
    EXPECT_LE(display_width(terminal_line(training(), width)), width);
  }
}

TEST(FinalState, BelongsToTheNewestGenerationOnly) {
  json status = {{"state", "Succeeded"},
                 {"observedGeneration", 1},
                 {"observedAnnotations", workspace::annotations_hash(kObject)}};
  EXPECT_EQ(final_state(kObject, status), "");
  status["observedGeneration"] = 2;
  EXPECT_EQ(final_state(kObject, status), "Succeeded");
  status["state"] = "Running";
  EXPECT_EQ(final_state(kObject, status), "");
  EXPECT_EQ(final_state(kObject, json::object()), "");
}

TEST(FinalState, OfBeforeARetryIsNone) {
  json object = kObject;
  const json failed = {{"state", "Failed"},
                       {"observedGeneration", 2},
                       {"observedAnnotations", workspace::annotations_hash(object)}};
  EXPECT_EQ(final_state(object, failed), "Failed");
  object["metadata"]["annotations"]["tunesmith.dev/retry"] = "2026-01-01T00:00:00Z";
  EXPECT_EQ(final_state(object, failed), "");
}

TEST(Summary, NamesImageLossesAndTimes) {
  json status = training();
  status["state"] = "Succeeded";
  status["output"] = {{"image", "r/a:1"}, {"digest", "sha256:ab"}};
  status["tuning"]["evalLossBefore"] = 3.5;
  status["tuning"]["evalLoss"] = 0.25;
  status["stages"][1]["finishedAt"] = "2026-01-01T00:03:15Z";
  EXPECT_EQ(summary(kObject, status),
            "Workspace a succeeded\n"
            "Image: r/a:1@sha256:ab\n"
            "Evaluation loss: 3.5 before, 0.25 after\n"
            "Time per stage:\n"
            "  Planning   2.4s\n"
            "  Training   3m12s\n");
  EXPECT_EQ(plain_line(status), "Succeeded");
}

TEST(Summary, TellsTheFailure) {
  const json status = {{"state", "Failed"},
                       {"observedGeneration", 2},
                       {"observedAnnotations", workspace::annotations_hash(kObject)},
                       {"failure", {{"reason", "DataNotFound"}, {"message", "404 at h"}}}};
  EXPECT_EQ(summary(kObject, status), "Workspace a failed: DataNotFound: 404 at h\n");
  EXPECT_EQ(plain_line(status), "Failed  DataNotFound");
}

}  // namespace
}  // namespace tunesmith::cli
