// What the status of a Workspace says about its image.
#pragma once

#include <string>

#include "bus/key_value.h"
#include "runtime/result.h"
#include "tunesmith/events/v1/common.pb.h"

namespace tunesmith::provisioner {

struct OutputStatus {
  std::string image, digest;  // of output; empty = nothing pushed
  std::string tuning_key;     // of tuning
};

// Pure. Anything that is not as the watcher writes it reads as empty.
OutputStatus output_status_from_json(const std::string& json);

// `status.<namespace>.<name>` in the bucket `workspaces`; empty when it is missing.
Result<OutputStatus> output_status(bus::KeyValue& workspaces,
                                   const events::v1::WorkspaceRef& workspace);

}  // namespace tunesmith::provisioner
