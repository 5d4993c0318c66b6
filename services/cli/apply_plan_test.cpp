#include "cli/apply_plan.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tunesmith::cli {
namespace {

using nlohmann::json;

const json kManifest = json::parse(R"({
  "apiVersion": "kaito.sh/v1alpha1", "kind": "Workspace",
  "metadata": {"name": "a", "labels": {"x": "1"}, "uid": "forged", "generation": 77},
  "resource": {"instanceType": "t", "labelSelector": {"matchLabels": {"app": "a"}}},
  "tuning": {"preset": {"name": "p"}, "method": "qlora", "input": {"urls": ["https://h/a"]},
             "output": {"image": "r/a:1", "imagePushSecret": "s"}},
  "status": {"state": "Succeeded"}})");

json applied(const json& manifest, const json* stored, Change expected) {
  const auto plan = plan_apply_workspace(manifest, stored, "uid-2", "2026-02-02T00:00:00Z");
  EXPECT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->change, expected);
  return plan->object_json.empty() ? json() : json::parse(plan->object_json);
}

json stored_object() {
  const auto plan = plan_apply_workspace(kManifest, nullptr, "uid-1", "2026-01-01T00:00:00Z");
  return json::parse(plan->object_json);
}

TEST(ApplyWorkspace, ANewObjectGetsWhatTheServerOwns) {
  const json object = stored_object();
  EXPECT_EQ(object["metadata"]["uid"], "uid-1");
  EXPECT_EQ(object["metadata"]["generation"], 1);
  EXPECT_EQ(object["metadata"]["creationTimestamp"], "2026-01-01T00:00:00Z");
  EXPECT_EQ(object["metadata"]["namespace"], "default");
  EXPECT_FALSE(object.contains("status"));
  EXPECT_EQ(object["resource"]["count"], 1) << "defaults are stored, as Kubernetes does";
}

TEST(ApplyWorkspace, TheSameManifestChangesNothing) {
  const json stored = stored_object();
  applied(kManifest, &stored, Change::kUnchanged);
  json with_empty_maps = kManifest;
  with_empty_maps["metadata"]["annotations"] = nullptr;
  applied(with_empty_maps, &stored, Change::kUnchanged);
}

TEST(ApplyWorkspace, AChangedSpecIsANewGenerationOfTheSameObject) {
  const json stored = stored_object();
  json manifest = kManifest;
  manifest["tuning"]["output"]["image"] = "r/a:2";
  const json object = applied(manifest, &stored, Change::kConfigured);
  EXPECT_EQ(object["metadata"]["uid"], "uid-1");
  EXPECT_EQ(object["metadata"]["generation"], 2);
  EXPECT_EQ(object["metadata"]["creationTimestamp"], "2026-01-01T00:00:00Z");
}

TEST(ApplyWorkspace, AnnotationsAndLabelsDoNotChangeTheGeneration) {
  const json stored = stored_object();
  json manifest = kManifest;
  manifest["metadata"]["annotations"] = {{"tunesmith.dev/suspend", "true"}};
  manifest["metadata"].erase("labels");
  const json object = applied(manifest, &stored, Change::kConfigured);
  EXPECT_EQ(object["metadata"]["generation"], 1);
  EXPECT_EQ(object["metadata"]["annotations"]["tunesmith.dev/suspend"], "true");
  EXPECT_FALSE(object["metadata"].contains("labels"));
}

TEST(ApplyWorkspace, WhatIsBeingDeletedIsNotChanged) {
  const json stored = json::parse(*plan_delete(stored_object(), "2026-03-03T00:00:00Z"));
  EXPECT_EQ(stored["metadata"]["deletionTimestamp"], "2026-03-03T00:00:00Z");
  const auto plan = plan_apply_workspace(kManifest, &stored, "u", "n");
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().reason, "BeingDeleted");
  EXPECT_EQ(plan_delete(stored, "2026-04-04T00:00:00Z"), std::nullopt);
}

TEST(Retry, GivesTheAnnotationANewValueAndKeepsTheGeneration) {
  const json stored = stored_object();
  const json once = json::parse(*plan_retry(stored, 1'000));
  EXPECT_EQ(once["metadata"]["annotations"]["tunesmith.dev/retry"], "1000");
  EXPECT_EQ(once["metadata"]["generation"], 1);
  EXPECT_EQ(once["tuning"], stored["tuning"]);
  const json twice = json::parse(*plan_retry(once, 1'000));
  EXPECT_EQ(twice["metadata"]["annotations"]["tunesmith.dev/retry"], "1001");
  const json after_the_clock_went_back = json::parse(*plan_retry(twice, 7));
  EXPECT_EQ(after_the_clock_went_back["metadata"]["annotations"]["tunesmith.dev/retry"], "1002");
}

TEST(Retry, TakesAnyPresentValue) {
  for (const json& value :
       {json("soon"), json(""), json(7), json("9223372036854775807"), json("5 or so")}) {
    json stored = stored_object();
    stored["metadata"]["annotations"] = {{"tunesmith.dev/retry", value}, {"other", "kept"}};
    const json retried = json::parse(*plan_retry(stored, 1'000));
    EXPECT_EQ(retried["metadata"]["annotations"]["tunesmith.dev/retry"], "1000") << value;
    EXPECT_EQ(retried["metadata"]["annotations"]["other"], "kept");
  }
}

TEST(Retry, RefusesWhatIsBeingDeleted) {
  const json stored = json::parse(*plan_delete(stored_object(), "2026-03-03T00:00:00Z"));
  const auto plan = plan_retry(stored, 1'000);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().reason, "BeingDeleted");
}

TEST(ApplyWorkspace, TheManifestOfARetriedWorkspaceChangesNothing) {
  const json stored = json::parse(*plan_retry(stored_object(), 1'000));
  applied(kManifest, &stored, Change::kUnchanged);
  json manifest = kManifest;
  manifest["metadata"]["annotations"] = {{"tunesmith.dev/retry", "by hand"}};
  EXPECT_EQ(applied(manifest, &stored, Change::kConfigured)["metadata"]["annotations"],
            manifest["metadata"]["annotations"]);
}

TEST(ApplyConfigMap, CountsChangesOfItsData) {
  const json manifest = json::parse(
      R"({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "1"}})");
  const auto created = plan_apply_config_map(manifest, nullptr, "u", "n");
  const json stored = json::parse(created->object_json);
  EXPECT_EQ(plan_apply_config_map(manifest, &stored, "v", "n")->change, Change::kUnchanged);
  json changed = manifest;
  changed["data"]["k"] = "2";
  const auto configured = plan_apply_config_map(changed, &stored, "v", "n");
  EXPECT_EQ(configured->change, Change::kConfigured);
  const json object = json::parse(configured->object_json);
  EXPECT_EQ(object["metadata"]["uid"], "u");
  EXPECT_EQ(object["metadata"]["generation"], 2);
}

TEST(Suspend, SetsAndTakesBackTheAnnotationInTheSameGeneration) {
  const json stored = stored_object();
  const auto suspended = plan_suspend(stored, true);
  ASSERT_TRUE(suspended && *suspended);
  const json object = json::parse(**suspended);
  EXPECT_EQ(object["metadata"]["annotations"]["tunesmith.dev/suspend"], "true");
  EXPECT_EQ(object["metadata"]["generation"], 1);
  EXPECT_FALSE(*plan_suspend(object, true)) << "it is so already";
  EXPECT_EQ(json::parse(**plan_suspend(object, false)), stored);
  EXPECT_FALSE(*plan_suspend(stored, false));
  json deleted = stored;
  deleted["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  EXPECT_EQ(plan_suspend(deleted, true).error().reason, "BeingDeleted");
}

TEST(Suspend, ByCommandOutlastsAnApplyAndByManifestGoesWithItsLine) {
  const json by_command = json::parse(**plan_suspend(stored_object(), true));
  applied(kManifest, &by_command, Change::kUnchanged);
  json manifest = kManifest;
  manifest["tuning"]["output"]["image"] = "r/a:2";
  const json changed = applied(manifest, &by_command, Change::kConfigured);
  EXPECT_EQ(changed["metadata"]["annotations"]["tunesmith.dev/suspend"], "true");
  json said = kManifest;
  said["metadata"]["annotations"]["tunesmith.dev/suspend"] = "false";
  const json resumed = applied(said, &by_command, Change::kConfigured);
  EXPECT_EQ(resumed["metadata"]["annotations"]["tunesmith.dev/suspend"], "false");

  said["metadata"]["annotations"]["tunesmith.dev/suspend"] = "true";
  const json stored = stored_object();
  const json by_manifest = applied(said, &stored, Change::kConfigured);
  const json without = applied(kManifest, &by_manifest, Change::kConfigured);
  EXPECT_FALSE(without["metadata"].contains("annotations"));
}

}  // namespace
}  // namespace tunesmith::cli
