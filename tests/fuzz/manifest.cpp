#include <nlohmann/json.hpp>

#include "runtime/text.h"
#include "targets.h"
#include "workspace/documents.h"
#include "workspace/validate.h"
#include "workspace/workspace.h"

namespace tunesmith::fuzz {
namespace {

using nlohmann::json;

void expect_readable(const workspace::Admission& admission) {
  promise(is_utf8(admission.text()), "messages are UTF-8");
  for (const auto& warning : admission.warnings) {
    promise(is_utf8(warning), "warnings are UTF-8");
  }
}

void judge(const json& object, const workspace::ValidationOptions& options) {
  const auto created = workspace::validate_workspace(object, options);
  expect_readable(created);
  const auto updated = workspace::validate_update(object, object, options);
  expect_readable(updated);
  promise(!created.admitted() || updated.admitted(), "what is admitted may stay as it is");
  const json complete = workspace::with_defaults(object);
  promise(workspace::with_defaults(complete) == complete, "defaults are written once");
  promise(workspace::spec_equal(object, complete), "defaults change no meaning");
  if (created.admitted()) {
    const auto read = workspace::read_workspace(object);
    promise(read.has_value(), "what is admitted can be read");
    promise(read->tuning.has_value() != read->inference, "it has one goal");
    promise(workspace::validate_workspace(complete, options).admitted(),
            "what is admitted is admitted with its defaults");
  }
  workspace::annotations_hash(object);
  workspace::is_suspended(object);
}

}  // namespace

void manifest(std::string_view input) {
  const auto documents = workspace::parse_documents(input);
  if (!documents) {
    promise(is_utf8(documents.error().message), "messages are UTF-8");
    return;
  }
  for (const auto& object : *documents) {
    judge(object, {});
    judge(object, {.nodes = workspace::NodeSource::kProvisioned, .serves_inference = true});
    judge(object, {.nodes = workspace::NodeSource::kOwn,
                   .allowed_data_paths = {"/srv"},
                   .allowed_host_paths = {"/srv"},
                   .serves_inference = true});
    expect_readable(workspace::validate_config_map(object));
  }
}

}  // namespace tunesmith::fuzz
