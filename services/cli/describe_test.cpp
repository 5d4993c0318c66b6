// What describe adds to the status: what to do, how to fetch the image, estimate and actual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/describe_text.h"
#include "cli/reasons.h"
#include "runtime/text.h"
#include "workspace/workspace.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

json workspace(const json& status) {
  json object = {{"metadata", {{"name", "a"}, {"namespace", "default"}, {"generation", 1}}},
                 {"status", status}};
  object["status"]["observedAnnotations"] = tunesmith::workspace::annotations_hash(object);
  return object;
}

std::string described(const json& status, const DescribeLook& look = {}) {
  return describe_text(workspace(status), {}, *parse_rfc3339("2026-01-31T12:10:00Z"), look);
}

const json kSucceeded = {
    {"state", "Succeeded"},
    {"observedGeneration", 1},
    {"plan", {{"instanceType", "local"}, {"estimatedSeconds", 80}}},
    {"stages",
     {{{"name", "Training"},
       {"startedAt", "2026-01-31T12:00:00Z"},
       {"finishedAt", "2026-01-31T12:01:16Z"}}}},
    {"output", {{"image", "registry.tunesmith.internal/demo/a:1"}, {"digest", "sha256:12ab"}}}};

TEST(Describe, HoldsTheEstimateAgainstWhatItTook) {
  EXPECT_THAT(described(kSucceeded),
              HasSubstr("Time:       estimated 80s of training, took 76s\n"));
  EXPECT_THAT(described(kSucceeded), HasSubstr("Cost:       0 USD, on this machine\n"));
  json running = kSucceeded;
  running["stages"][0].erase("finishedAt");
  EXPECT_THAT(described(running), HasSubstr("estimated 80s of training\n"));
}

TEST(Describe, GivesTheLineThatFetchesTheImage) {
  EXPECT_THAT(described(kSucceeded),
              AllOf(HasSubstr("oras pull registry.tunesmith.internal/demo/a@sha256:12ab\n"),
                    HasSubstr("docker pull registry.tunesmith.internal/demo/a@sha256:12ab\n")));
  const LocalRegistry local{"registry.tunesmith.internal", "127.0.0.1:5000", "demo", "/s/pw"};
  EXPECT_THAT(described(kSucceeded, {Style(false), local}),
              AllOf(HasSubstr("oras pull --plain-http 127.0.0.1:5000/demo/a@sha256:12ab\n"),
                    HasSubstr("docker login 127.0.0.1:5000 -u demo --password-stdin < /s/pw\n")));
  json other = kSucceeded;
  other["output"]["image"] = "ghcr.io/me/a:1";
  EXPECT_THAT(described(other, {Style(false), local}),
              HasSubstr("oras pull ghcr.io/me/a@sha256:12ab\n"));
  other["output"].erase("digest");
  EXPECT_THAT(described(other), Not(HasSubstr("Pull:")));
}

TEST(Describe, SaysWhatToDoAboutAFailureOrAWait) {
  const std::string failed = described({{"state", "Failed"},
                                        {"observedGeneration", 1},
                                        {"failure", {{"reason", "NoStack"}, {"message", "m"}}}});
  EXPECT_THAT(failed, HasSubstr("NoStack: m\n"));
  EXPECT_THAT(failed, HasSubstr(reason_text("NoStack")->what_to_do));
  EXPECT_THAT(failed, HasSubstr("tunesmith retry a"));
  const std::string waiting = described(
      {{"state", "Pending"}, {"waiting", {{"reason", "NoFreeWorker"}, {"message", "m"}}}});
  EXPECT_THAT(waiting, HasSubstr(reason_text("NoFreeWorker")->what_to_do));
}

TEST(Describe, NamesTheNextStepOfEachState) {
  json object = workspace(json::object());
  EXPECT_EQ(next_step(object, json::object()), "tunesmith watch a");
  object["metadata"]["namespace"] = "team";
  EXPECT_EQ(next_step(object, {{"state", "Running"}, {"tuning", {{"phase", "Training"}}}}),
            "tunesmith logs a -n team -f");
  object["metadata"]["annotations"] = {{"tunesmith.dev/suspend", "true"}};
  EXPECT_EQ(next_step(object, json::object()), "tunesmith resume a -n team");
}

TEST(Reasons, EveryRowHasAMeaningAndAnAdvice) {
  const auto known = reason_text("MemoryTooSmall");
  ASSERT_TRUE(known);
  EXPECT_FALSE(known->meaning.empty());
  EXPECT_FALSE(known->what_to_do.empty());
  EXPECT_FALSE(reason_text("Nonsense"));
  EXPECT_FALSE(reason_text(""));
  const auto row = reason_in("| A | x | Permanent | means | do |\n", "A");
  ASSERT_TRUE(row);
  EXPECT_EQ(row->what_to_do, "do");
  EXPECT_FALSE(reason_in("| A | too | short |\n", "A"));
}

}  // namespace
}  // namespace tunesmith::cli
