// Runs the tables in testdata/admission/ (README.md there): every row for both API versions and
// both operations, and every rule must have an accepted and a refused row for each of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <tuple>

#include "workspace/documents.h"
#include "workspace/validate.h"

namespace tunesmith::workspace {
namespace {

using nlohmann::json;

const std::vector<std::string> kVersions{"v1alpha1", "v1beta1"};
const std::vector<std::string> kOperations{"create", "update"};

json read_table(const std::string& file) {
  std::ifstream stream(std::filesystem::path(TUNESMITH_TEST_DIR) / "testdata/admission" / file);
  std::stringstream text;
  text << stream.rdbuf();
  const auto value = parse_value(text.str(), {.max_bytes = 1 << 20, .max_nodes = 200'000});
  if (!value) {
    throw std::runtime_error(file + ": " + value.error().message);
  }
  return *value;
}

// RFC 7396.
json patched(json object, const json& patch) {
  object.merge_patch(patch);
  return object;
}

// What stands in a row as a number because it would be long to write.
json long_parts(const json& row) {
  json patch = json::object();
  if (row.contains("urls")) {
    for (int i = 0; i < row["urls"]; ++i) {
      patch["tuning"]["input"]["urls"].push_back("https://data.example.org/" + std::to_string(i));
    }
  }
  if (row.contains("adapters")) {
    for (int i = 0; i < row["adapters"]; ++i) {
      patch["inference"]["adapters"].push_back(
          {{"source", {{"name", "a" + std::to_string(i)}, {"image", "r.example.org/a:1"}}}});
    }
  }
  if (row.contains("filler")) {
    patch["metadata"]["annotations"]["example.org/long"] =
        std::string(row["filler"].get<std::size_t>() << 10, 'x');
  }
  return patch;
}

ValidationOptions options_of(const json& row) {
  ValidationOptions options;
  const std::string nodes = row.value("nodes", "provisioned");
  options.nodes = nodes == "local" ? NodeSource::kLocal
                  : nodes == "own" ? NodeSource::kOwn
                                   : NodeSource::kProvisioned;
  options.allowed_data_hosts = row.value("allow", std::set<std::string>{});
  options.allowed_data_paths = row.value("allow_paths", std::vector<std::string>{});
  options.allowed_host_paths = row.value("allow_host_paths", std::vector<std::string>{});
  options.replace_retired_instances = row.value("replace_retired", true);
  options.serves_inference = row.value("serves", true);
  return options;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) {
    text += line + "\n";
  }
  return text;
}

void expect_warnings(const json& row, const Admission& admission) {
  if (row.contains("warnings")) {
    EXPECT_EQ(admission.warnings.size(), row["warnings"].get<std::size_t>())
        << joined(admission.warnings);
  }
  if (row.contains("warns")) {
    EXPECT_NE(joined(admission.warnings).find(row["warns"].get<std::string>()), std::string::npos)
        << joined(admission.warnings);
  }
}

// Where it is, what was expected; and (here or in the row's own text) what was found.
void expect_whole_sentence(const std::string& text) {
  static const std::regex kWhere(R"(^[A-Za-z][A-Za-z, ]*[A-Za-z0-9_./\[\]-]*: )");
  EXPECT_TRUE(std::regex_search(text, kWhere)) << "names no field first: " << text;
  EXPECT_TRUE(text.find("expected") != std::string::npos ||
              text.find("Expected") != std::string::npos)
      << "does not say what was expected: " << text;
}

// `tolerated`: rules whose violation is none of the row's business.
void expect_answer(const json& row, Admission admission, RuleScope tolerated) {
  const std::string rule = row.at("rule");
  std::erase_if(admission.violations, [&](const Violation& violation) {
    return rule_id(violation.rule) != rule && tolerated != RuleScope::kWorkspace &&
           kRules[static_cast<std::size_t>(violation.rule)].scope == tolerated;
  });
  expect_warnings(row, admission);
  if (!row.contains("refused")) {
    EXPECT_TRUE(admission.admitted()) << admission.text();
    return;
  }
  bool told = false;
  for (const Violation& violation : admission.violations) {
    told = told || (rule_id(violation.rule) == rule &&
                    violation.text.find(row["refused"].get<std::string>()) != std::string::npos);
    if (!row.value("also", false)) {
      EXPECT_EQ(rule_id(violation.rule), rule) << violation.text;
    }
    expect_whole_sentence(violation.text);
  }
  EXPECT_TRUE(told) << "expected: " << row["refused"] << "\nfound: " << admission.text();
}

// The two updates of a row without `before`: into this, and from and to this.
void expect_updates(const json& row, const json& base, const json& object) {
  expect_answer(row, validate_update(base, object, options_of(row)), RuleScope::kWorkspaceChange);
  const json noted = {{"metadata", {{"labels", {{"changed", "yes"}}}}}};
  const bool can_be_noted = object.at("metadata").is_object();
  expect_answer(
      row, validate_update(object, can_be_noted ? patched(object, noted) : object, options_of(row)),
      RuleScope::kWorkspace);
}

class AdmissionTable : public testing::Test {
 protected:
  void run(const std::string& file) {
    for (const auto& row : read_table(file)) {
      for (const auto& version : row.value("versions", kVersions)) {
        for (const auto& operation : row.value("operations", kOperations)) {
          SCOPED_TRACE(file + ", " + row.at("rule").get<std::string>() + ", " +
                       row.at("name").get<std::string>() + ", " + version + ", " + operation);
          run_row(row, version, operation);
        }
      }
    }
  }
  void expect_every_combination() const {
    for (const RuleInfo& rule : kRules) {
      for (const auto& version : kVersions) {
        for (const auto& operation : kOperations) {
          if (rule.scope == RuleScope::kWorkspaceChange && operation == "create") {
            continue;
          }
          for (const bool refused : {false, true}) {
            EXPECT_TRUE(seen_.contains({rule.id, version, operation, refused}))
                << "no row of the rule " << rule.id << " is " << (refused ? "refused" : "accepted")
                << " for " << version << " and " << operation;
          }
        }
      }
    }
  }
  void saw(const json& row, const std::string& version, const std::string& operation) {
    ASSERT_TRUE(find_rule(row.at("rule").get<std::string>())) << row.at("rule");
    seen_.insert({row.at("rule"), version, operation, row.contains("refused")});
  }

 private:
  void run_row(const json& row, const std::string& version, const std::string& operation) {
    const std::string base_name = row.value("base", "tuning");
    const json base = patched(bases_.at(base_name), {{"apiVersion", "kaito.sh/" + version}});
    const json patch = patched(row.value("patch", json::object()), long_parts(row));
    if (row.contains("before")) {
      if (operation == "update") {
        const json before = patched(base, row["before"]);
        expect_answer(row, validate_update(before, patched(before, patch), options_of(row)),
                      RuleScope::kWorkspace);
        saw(row, version, operation);
      }
      return;
    }
    const json object = patched(base, patch);
    if (operation == "create") {
      expect_answer(row, validate_workspace(object, options_of(row)), RuleScope::kWorkspace);
    } else {
      expect_updates(row, base, object);
    }
    saw(row, version, operation);
  }

  std::map<std::string, json> bases_{{"tuning", read_table("base_tuning.yaml")},
                                     {"inference", read_table("base_inference.yaml")}};
  std::set<std::tuple<std::string, std::string, std::string, bool>> seen_;
};

TEST_F(AdmissionTable, EveryRuleForBothVersionsAndOperations) {
  for (const char* file :
       {"metadata.yaml", "resource.yaml", "tuning.yaml", "inference.yaml", "updates.yaml"}) {
    run(file);
  }
  for (const auto& row : read_table("config_maps.yaml")) {  // one version, no rule of change
    SCOPED_TRACE(row.at("name"));
    expect_answer(row, validate_config_map(row.at("object")), RuleScope::kWorkspace);
    for (const auto& version : kVersions) {
      saw(row, version, "create");
      saw(row, version, "update");
    }
  }
  expect_every_combination();
}

TEST(AdmissionDocument, NamesEveryRuleOnce) {
  std::ifstream stream(std::filesystem::path(TUNESMITH_TEST_DIR) / "../../docs/admission.md");
  std::map<std::string, int> rows;
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("| `")) {
      ++rows[line.substr(3, line.find('`', 3) - 3)];
    }
  }
  for (const RuleInfo& rule : kRules) {
    EXPECT_EQ(rows[rule.id], 1) << rule.id;
  }
  EXPECT_EQ(rows.size(), kRules.size()) << "a row of no rule";
}

TEST_F(AdmissionTable, Urls) {
  for (const auto& row : read_table("urls.yaml")) {
    SCOPED_TRACE(row.at("url"));
    json object = read_table("base_tuning.yaml");
    object["tuning"]["input"]["urls"] = json::array({row.at("url")});
    json named = row;
    named["rule"] = "input-url";
    expect_answer(named, validate_workspace(object, options_of(row)), RuleScope::kWorkspace);
  }
}

}  // namespace
}  // namespace tunesmith::workspace
