// Manifests read and checked without a stack.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "cli/manifest_check.h"
#include "cli/manifest_fixture.h"
#include "cli/manifest_input.h"
#include "temp_folder.h"

namespace tunesmith::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::string kWorkspace =
    workspace_manifest("a", "https://data.example.org/train.parquet", "  config: c\n");
constexpr const char* kConfigMap = R"(---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {training_config.yaml: "training_config: {TrainingArguments: {num_train_epochs: 1}}"}
)";

Documents documents_of(const std::string& text) {
  Documents documents;
  add_documents(text, "a.yaml", "default", false, documents);
  return documents;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST(ManifestInput, AllProblemsOfAllDocumentsAreTold) {
  const auto documents =
      documents_of("apiVersion: v1\nkind: Secret\n---\napiVersion: v1\nkind: Pod\n");
  ASSERT_THAT(documents.problems, SizeIs(2));
  EXPECT_EQ(documents.problems[1].where, "a.yaml, document 2");
  EXPECT_EQ(documents.problems[1].failure.reason, "KindUnknown");
  EXPECT_EQ(documents_of("{").problems.front().failure.reason, "ManifestInvalid");
  Documents other;
  add_documents(replaced(kWorkspace, "name: a", "name: a, namespace: x"), "f", "y", true, other);
  EXPECT_EQ(other.problems.front().failure.reason, "NamespaceMismatch");
}

TEST(ManifestInput, AFolderIsItsManifestsByName) {
  const testing_support::TempFolder temporary;
  const fs::path folder = temporary.path() / "manifests";
  fs::create_directory(folder);
  std::ofstream(folder / "b.yaml") << kWorkspace;
  std::ofstream(folder / "a.yml") << kConfigMap;
  std::ofstream(folder / "README.md") << "not one";
  const auto files = manifest_files(folder);
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_THAT(*files, ElementsAre((folder / "a.yml").string(), (folder / "b.yaml").string()));
  const auto read = read_documents({folder, folder / "missing.yaml"}, "default", false);
  EXPECT_THAT(read.documents, SizeIs(2));
  EXPECT_EQ(read.documents[0].kind, Kind::kConfigMap);
  EXPECT_EQ(read.problems.front().failure.reason, "FileUnreadable");
  fs::remove_all(folder);
  fs::create_directory(folder);
  EXPECT_THAT(manifest_files(folder).error().message, HasSubstr("has no file that ends in .yaml"));
}

TEST(ManifestCheck, WhatIsRightIsValid) {
  const auto checked = check_documents(documents_of(kWorkspace + kConfigMap), {});
  ASSERT_THAT(checked, SizeIs(2));
  for (const auto& one : checked) EXPECT_THAT(one.errors, IsEmpty()) << one.where;
  const json told = checks_json(checked);
  EXPECT_EQ(told[0]["name"], "a");
  EXPECT_EQ(told[0]["valid"], true);
  EXPECT_EQ(told[1]["kind"], "ConfigMap");
}

TEST(ManifestCheck, AMissingConfigMapIsOnlyAWarning) {
  const auto checked = check_documents(documents_of(kWorkspace), {});
  EXPECT_THAT(checked.front().errors, IsEmpty());
  EXPECT_THAT(checked.front().warnings, testing::Contains(HasSubstr("'c' of tuning.config")));
}

TEST(ManifestCheck, TellsWhatThePlannerWouldRefuseWithoutAsking) {
  const auto errors = [](const std::string& text) {
    const auto checked = check_documents(documents_of(text), {});
    return checked.back().errors;
  };
  EXPECT_THAT(errors(replaced(kWorkspace, "smollm2-135m-instruct", "smollm2-135m-instrukt")),
              testing::Contains(HasSubstr("did you mean")));
  EXPECT_THAT(errors(replaced(kWorkspace, "qlora", "magic")), SizeIs(1));
  const std::string both = kWorkspace + kConfigMap;
  EXPECT_THAT(errors(replaced(both, "num_train_epochs: 1", "num_train_epochs: many")),
              testing::Contains(HasSubstr("num_train_epochs")));
}

}  // namespace
}  // namespace tunesmith::cli
