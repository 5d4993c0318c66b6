// Manifests in the shapes that users of KAITO have (testdata/kaito/): all are admitted.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "workspace/documents.h"
#include "workspace/training_config.h"
#include "workspace/validate.h"
#include "workspace/workspace.h"

namespace tunesmith::workspace {
namespace {

using nlohmann::json;

const std::filesystem::path kFolder = std::filesystem::path(TUNESMITH_TEST_DIR) / "testdata/kaito";

std::vector<json> documents_of(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::stringstream text;
  text << stream.rdbuf();
  auto documents = parse_documents(text.str());
  if (!documents) {
    throw std::runtime_error(file.string() + ": " + documents.error().message);
  }
  return *documents;
}

// The file's ConfigMaps as the methods of its Workspaces read them; a template without a Workspace
// is read by the method in its name.
std::string training_notes(const std::vector<json>& documents) {
  std::string notes;
  for (const auto& config_map : documents) {
    if (!is_config_map(config_map)) {
      continue;
    }
    auto method = config_map["metadata"]["name"].get<std::string>().starts_with("qlora")
                      ? events::v1::TUNING_METHOD_QLORA
                      : events::v1::TUNING_METHOD_LORA;
    for (const auto& other : documents) {
      if (is_workspace(other)) {
        method = read_workspace(other)->tuning->method;
      }
    }
    const auto config = read_training_config(*training_config_of(config_map), method);
    EXPECT_TRUE(config) << config.error().message;
    for (const auto& note : config ? config->notes : std::vector<std::string>{}) {
      notes += note + "\n";
    }
  }
  return notes;
}

void expect_admitted(const json& document, const json& expected) {
  if (is_config_map(document)) {
    EXPECT_TRUE(validate_config_map(document).admitted()) << validate_config_map(document).text();
    return;
  }
  ValidationOptions options;
  options.nodes = expected.at("nodes") == "own" ? NodeSource::kOwn : NodeSource::kProvisioned;
  options.serves_inference = true;
  const Admission admission = validate_workspace(document, options);
  EXPECT_TRUE(admission.admitted()) << admission.text();
  EXPECT_TRUE(validate_update(document, document, options).admitted());
  const json warns = expected.value("warns", json::array());
  ASSERT_EQ(admission.warnings.size(), warns.size()) << json(admission.warnings);
  for (std::size_t i = 0; i < warns.size(); ++i) {
    EXPECT_NE(admission.warnings[i].find(warns[i].get<std::string>()), std::string::npos)
        << admission.warnings[i];
  }
}

TEST(Kaito, EveryManifestIsAdmittedInBothVersions) {
  const json expected = documents_of(kFolder / "expected.yaml").at(0);
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    const std::string name = entry.path().filename();
    if (name == "expected.yaml") {
      continue;
    }
    SCOPED_TRACE(name);
    files.insert(name);
    ASSERT_TRUE(expected.contains(name)) << "expected.yaml does not say what it expects";
    const auto documents = documents_of(entry.path());
    for (const json& document : documents) {
      expect_admitted(document, expected[name]);
      for (const char* version : {"kaito.sh/v1alpha1", "kaito.sh/v1beta1"}) {
        json other = document;
        if (is_workspace(document)) {
          other["apiVersion"] = version;
          expect_admitted(other, expected[name]);
        }
      }
    }
    const std::string notes = training_notes(documents);
    const json pieces = expected[name].value("notes", json::array());
    EXPECT_EQ(notes.empty(), pieces.empty()) << notes;
    for (const auto& piece : pieces) {
      EXPECT_NE(notes.find(piece.get<std::string>()), std::string::npos) << notes;
    }
  }
  EXPECT_EQ(files.size(), expected.size()) << "expected.yaml names files that are not there";
}

}  // namespace
}  // namespace tunesmith::workspace
