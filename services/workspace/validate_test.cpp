// Drives the tables in testdata/: what each manifest is answered.
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

std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::vector<json> cases_of(const std::string& file) {
  const auto value =
      parse_value(read_file(std::filesystem::path(TUNESMITH_TEST_DIR) / "testdata" / file),
                  {.max_bytes = 1 << 20, .max_depth = 64, .max_nodes = 200'000});
  if (!value) {
    throw std::runtime_error(file + ": " + value.error().message);
  }
  return value->get<std::vector<json>>();
}

// RFC 7396.
json patched(json object, const json& patch) {
  object.merge_patch(patch);
  return object;
}

json base() {
  return *parse_value(
      read_file(std::filesystem::path(TUNESMITH_TEST_DIR) / "testdata" / "base_workspace.yaml"));
}

ValidationOptions options_of(const json& example) {
  ValidationOptions options;
  const std::string nodes = example.value("nodes", "provisioned");
  options.nodes = nodes == "local" ? NodeSource::kLocal
                  : nodes == "own" ? NodeSource::kOwn
                                   : NodeSource::kProvisioned;
  options.allowed_data_hosts = example.value("allow", std::set<std::string>{});
  options.replace_retired_instances = example.value("replace_retired", true);
  return options;
}

void expect_answer(const json& example, const Admission& admission) {
  SCOPED_TRACE(example.value("name", "?"));
  if (!example.contains("refused")) {
    EXPECT_TRUE(admission.admitted()) << admission.text();
  } else {
    EXPECT_FALSE(admission.admitted());
    EXPECT_NE(admission.text().find(example["refused"].get<std::string>()), std::string::npos)
        << admission.text();
    if (!example.contains("also")) {
      EXPECT_EQ(admission.violations.size(), 1u) << admission.text();
    }
  }
  if (example.contains("warnings")) {
    EXPECT_EQ(admission.warnings.size(), example["warnings"].get<std::size_t>());
  }
  if (example.contains("warns")) {
    std::string warnings;
    for (const auto& warning : admission.warnings) {
      warnings += warning + "\n";
    }
    EXPECT_NE(warnings.find(example["warns"].get<std::string>()), std::string::npos) << warnings;
  }
}

TEST(Validate, Creates) {
  for (const char* file : {"tuning.yaml", "inference.yaml", "images.yaml"}) {
    for (const auto& example : cases_of(file)) {
      const json object = example.contains("object")
                              ? example["object"]
                              : patched(base(), example.value("patch", json::object()));
      expect_answer(example, validate_workspace(object, options_of(example)));
    }
  }
}

TEST(Validate, Urls) {
  for (const auto& example : cases_of("urls.yaml")) {
    json object = base();
    object["tuning"]["input"]["urls"] = json::array({example["url"]});
    json named = example;
    named["name"] = example["url"];
    expect_answer(named, validate_workspace(object, options_of(example)));
  }
}

TEST(Validate, Updates) {
  for (const auto& example : cases_of("updates.yaml")) {
    const json before = patched(base(), example.value("before", json::object()));
    const json after = patched(before, example["patch"]);
    expect_answer(example, validate_update(before, after, options_of(example)));
  }
}

TEST(Validate, ConfigMaps) {
  json object = {{"apiVersion", "v1"},
                 {"kind", "ConfigMap"},
                 {"metadata", {{"name", "params"}}},
                 {"data", {{"training_config.yaml", "training_config: {LoraConfig: {rank: 8}}"}}}};
  EXPECT_NE(validate_config_map(object).text().find("'rank' is no known key"), std::string::npos);
  object["data"] = {{"other.yaml", "x"}};
  EXPECT_TRUE(validate_config_map(object).admitted());
  EXPECT_EQ(training_config_of(object).error().reason, "TrainingConfigMissing");
  object["data"] = {{"training_config.yaml", std::string(70'000, '#')}};
  EXPECT_NE(validate_config_map(object).text().find("larger than 64 KiB"), std::string::npos);
}

TEST(Validate, NoJsonValueMakesItThrow) {
  // Every member of a whole Workspace replaced by a value of each other kind.
  const json whole = base().flatten();
  for (const auto& [path, value] : whole.items()) {
    for (const json& wrong : {json(nullptr), json(1), json("x"), json::array(), json::object(),
                              json(true), json(-1.5), json::array({json::object()})}) {
      for (json::json_pointer at(path); !at.empty(); at.pop_back()) {
        json copy = base();
        copy[at] = wrong;
        EXPECT_NO_THROW(validate_workspace(copy, {}));
        EXPECT_NO_THROW(validate_update(base(), copy, {}));
      }
    }
  }
  EXPECT_FALSE(validate_workspace(json::array(), {}).admitted());
  EXPECT_FALSE(validate_workspace(nullptr, {}).admitted());
}

}  // namespace
}  // namespace tunesmith::workspace
