// What users copy first must be admitted: every document in examples/.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "runtime/text.h"
#include "workspace/documents.h"
#include "workspace/validate.h"

namespace tunesmith::workspace {
namespace {

namespace fs = std::filesystem;

TEST(Examples, AreAdmittedWithoutAWarning) {
  int workspaces = 0;
  for (const auto& entry :
       fs::directory_iterator(fs::path(TUNESMITH_TEST_DIR) / "../../examples")) {
    if (entry.path().extension() != ".yaml") continue;
    SCOPED_TRACE(entry.path());
    const auto documents = parse_documents(*read_file(entry.path()));
    ASSERT_TRUE(documents.has_value()) << documents.error().message;
    for (const auto& document : *documents) {
      const bool config = document.value("kind", "") == "ConfigMap";
      const auto answer =
          config ? validate_config_map(document)
                 : validate_workspace(document, {.nodes = NodeSource::kLocal,
                                                 .allowed_data_hosts = {"data.tunesmith.internal"},
                                                 .allowed_host_paths = {"/srv/tunesmith"}});
      EXPECT_TRUE(answer.admitted()) << answer.text();
      EXPECT_TRUE(answer.warnings.empty()) << answer.warnings.front();
      workspaces += config ? 0 : 1;
    }
  }
  EXPECT_GE(workspaces, 2);
}

}  // namespace
}  // namespace tunesmith::workspace
