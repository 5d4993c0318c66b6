#include "workspace/workspace.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "workspace/documents.h"

namespace tunesmith::workspace {
namespace {

using nlohmann::json;

json quickstart() {
  return *parse_value(R"(
apiVersion: kaito.sh/v1alpha1
kind: Workspace
metadata: {name: workspace-tuning-phi-3, annotations: {"tunesmith.dev/retry": "1", other: x}}
resource: {labelSelector: {matchLabels: {app: tuning-phi-3}}}
tuning:
  preset: {name: phi-3-mini-128k-instruct}
  method: QLoRA
  input: {urls: ["https://example.org/a.parquet"]}
  output: {image: "registry.example.org/phi:0.0.1", imagePushSecret: push}
)");
}

TEST(Workspace, ReadsFieldsWithDefaults) {
  const auto workspace = read_workspace(quickstart());
  ASSERT_TRUE(workspace.has_value()) << workspace.error().message;
  EXPECT_EQ(workspace->metadata.name_space, "default");
  EXPECT_EQ(workspace->resource.count, 1);
  EXPECT_EQ(workspace->resource.instance_type, "Standard_NC24ads_A100_v4");
  ASSERT_TRUE(workspace->tuning.has_value());
  EXPECT_EQ(workspace->tuning->method, events::v1::TUNING_METHOD_QLORA);
  EXPECT_EQ(workspace->tuning->input.urls.size(), 1u);
  EXPECT_FALSE(workspace->inference);
}

TEST(Workspace, DefaultsAreWrittenOnceAndOnlyForTheirVersion) {
  json beta = quickstart();
  beta["apiVersion"] = "kaito.sh/v1beta1";
  EXPECT_FALSE(with_defaults(beta)["resource"].contains("instanceType"));
  EXPECT_EQ(with_defaults(with_defaults(quickstart())), with_defaults(quickstart()));
}

TEST(Workspace, AWrongTypeIsNamedByItsPath) {
  json object = quickstart();
  object["resource"]["count"] = "two";
  const auto workspace = read_workspace(object);
  ASSERT_FALSE(workspace.has_value());
  EXPECT_EQ(workspace.error().message, "resource.count: expected a whole number, found 'two'");
}

TEST(Workspace, OnlyTheMeaningOfTheSpecCounts) {
  json same = quickstart();
  same["resource"]["count"] = 1;
  same["metadata"]["labels"] = {{"a", "b"}};
  same["status"] = {{"state", "Running"}};
  same["inference"] = nullptr;
  EXPECT_TRUE(spec_equal(quickstart(), same));
  json other = quickstart();
  other["tuning"]["output"]["image"] = "registry.example.org/phi:0.0.2";
  EXPECT_FALSE(spec_equal(quickstart(), other));
}

TEST(Workspace, TheAnnotationsHashKnowsOnlyOurAnnotations) {
  json other = quickstart();
  other["metadata"]["annotations"]["other"] = "y";
  EXPECT_EQ(annotations_hash(quickstart()), annotations_hash(other));
  other["metadata"]["annotations"]["tunesmith.dev/retry"] = "2";
  EXPECT_NE(annotations_hash(quickstart()), annotations_hash(other));
  json none = quickstart();
  none["metadata"].erase("annotations");
  EXPECT_EQ(annotations_hash(none), annotations_hash(json::object()));
}

TEST(Workspace, SuspendedOnlyByTheTextTrue) {
  json object = quickstart();
  EXPECT_FALSE(is_suspended(object));
  object["metadata"]["annotations"]["tunesmith.dev/suspend"] = "true";
  EXPECT_TRUE(is_suspended(object));
  object["metadata"]["annotations"]["tunesmith.dev/suspend"] = "false";
  EXPECT_FALSE(is_suspended(object));
}

}  // namespace
}  // namespace tunesmith::workspace
