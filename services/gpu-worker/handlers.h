// NodesReady → AdapterReady or TuningFailed.
#pragma once

#include <stop_token>
#include <utility>

#include "bus/connection.h"
#include "tuning_run.h"

namespace tunesmith::gpu_worker {

class Handlers {
 public:
  Handlers(const WorkerParts& parts, Log log) : parts_(parts), log_(std::move(log)) {}

  // Blocks for as long as the training takes; the message is kept alive meanwhile by the consumer.
  bus::Disposition on_nodes_ready(const bus::IncomingEvent& event, std::stop_token stop);

 private:
  bus::Disposition announce(const RunEnd& end, const events::v1::WorkspaceRef& workspace,
                            const std::string& traceparent, std::stop_token stop);

  const WorkerParts& parts_;
  const Log log_;
};

}  // namespace tunesmith::gpu_worker
