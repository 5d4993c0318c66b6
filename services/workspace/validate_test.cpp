// What the tables of admission_test.cpp cannot say.
#include "workspace/validate.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "workspace/documents.h"

namespace tunesmith::workspace {
namespace {

using nlohmann::json;

json base(const std::string& name) {
  std::ifstream stream(std::filesystem::path(TUNESMITH_TEST_DIR) / "testdata/admission" / name);
  std::stringstream text;
  text << stream.rdbuf();
  return *parse_value(text.str());
}

TEST(Validate, ALongTrainingConfigIsRefused) {
  const json object = {{"apiVersion", "v1"},
                       {"kind", "ConfigMap"},
                       {"metadata", {{"name", "params"}}},
                       {"data", {{"training_config.yaml", std::string(70'000, '#')}}}};
  EXPECT_NE(validate_config_map(object).text().find("expected at most 64 KiB"), std::string::npos);
}

TEST(Validate, WithoutTheKeyThereIsNoTrainingConfig) {
  const json object = {{"kind", "ConfigMap"}, {"data", {{"other.yaml", "x"}}}};
  EXPECT_EQ(training_config_of(object).error().reason, "TrainingConfigMissing");
}

TEST(Validate, AllViolationsStandInOneText) {
  json object = base("base_tuning.yaml");
  object["metadata"]["name"] = "A";
  object["tuning"]["method"] = "x";
  EXPECT_NE(validate_workspace(object, {}).text().find("; tuning.method:"), std::string::npos);
}

TEST(Validate, NoJsonValueMakesItThrow) {
  // Every member of a whole Workspace replaced by a value of each other kind.
  for (const char* name : {"base_tuning.yaml", "base_inference.yaml"}) {
    const json whole = base(name);
    const json flat = whole.flatten();
    for (const auto& [path, value] : flat.items()) {
      for (const json& wrong :
           {json(nullptr), json(1), json("x"), json::array(), json::object(), json(true),
            json(-1.5), json::array({json::object()}), json("\xff\xfe")}) {
        for (json::json_pointer at(path); !at.empty(); at.pop_back()) {
          json copy = whole;
          copy[at] = wrong;
          EXPECT_NO_THROW(validate_workspace(copy, {}));
          EXPECT_NO_THROW(validate_update(whole, copy, {}));
          EXPECT_NO_THROW(validate_update(copy, whole, {}));
        }
      }
    }
  }
  EXPECT_FALSE(validate_workspace(json::array(), {}).admitted());
  EXPECT_FALSE(validate_workspace(nullptr, {}).admitted());
}

}  // namespace
}  // namespace tunesmith::workspace
