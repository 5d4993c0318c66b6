// What a WorkspaceObserved asks for, read and judged without asking anybody.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "runtime/result.h"
#include "tunesmith/events/v1/workspace.pb.h"
#include "workspace/presets.h"
#include "workspace/training_config.h"
#include "workspace/validate.h"
#include "workspace/workspace.h"

namespace tunesmith::planner {

struct TuningRequest {
  workspace::Workspace workspace;  // has tuning
  workspace::ModelChoice model;    // with the revision that is to be resolved
  workspace::TrainingConfig training;
  std::vector<std::string> notes;  // for the user
};

// Permanent `WorkspaceInvalid`, `UnknownPreset`, `TrainingConfigInvalid`, `TrainingConfigMissing`,
// `InferenceNotServed`, `VolumeNotSupported`.
Result<TuningRequest> read_request(const events::v1::WorkspaceObserved& observed,
                                   const workspace::ValidationOptions& options);

// Whether the output may be overwritten, as the annotation says now: it may be set after a refusal,
// which makes no new generation.
bool allows_replacing(const events::v1::WorkspaceObserved& observed);

}  // namespace tunesmith::planner
