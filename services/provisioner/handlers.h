// What the provisioner does with each event: decode, ask whether it still counts, put it into the
// world.
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>

#include "bus/connection.h"
#include "provisioner/cleanup.h"
#include "provisioner/metrics.h"
#include "provisioner/node_provider.h"
#include "tunesmith/events/v1/image.pb.h"
#include "tunesmith/events/v1/nodes.pb.h"
#include "tunesmith/events/v1/planning.pb.h"
#include "tunesmith/events/v1/tuning.pb.h"
#include "tunesmith/events/v1/workspace.pb.h"

namespace tunesmith::provisioner {

// All outlive the handlers.
struct ProvisionerParts {
  bus::Publisher& publisher;
  bus::KeyValue& current;
  bus::KeyValue& results;
  bus::ObjectStore& objects;
  NodeProvider& nodes;
  CleanupParts cleanup;
  Metrics& metrics;
  Log log;
  // A clean-up that takes longer is told: NodesPending, reason CleanupStuck.
  std::chrono::milliseconds cleanup_stuck_after{600'000};
};

// Thread-safe.
class Handlers {
 public:
  explicit Handlers(ProvisionerParts parts) : parts_(std::move(parts)) {}

  // The adapter exists → AdapterReady again; else nodes are wanted.
  bus::Disposition on_plan_cleared(const bus::IncomingEvent& incoming, std::stop_token stop);
  // These end the need for nodes.
  bus::Disposition on_adapter_ready(const bus::IncomingEvent& incoming, std::stop_token stop);
  bus::Disposition on_tuning_failed(const bus::IncomingEvent& incoming, std::stop_token stop);
  bus::Disposition on_plan_rejected(const bus::IncomingEvent& incoming, std::stop_token stop);
  // The adapter stays, for an edit of the output alone; what other tuning keys left goes
  // (docs/decisions/0001-adapter-object-kept.md).
  bus::Disposition on_image_pushed(const bus::IncomingEvent& incoming, std::stop_token stop);
  // Releases the nodes, removes everything, says WorkspaceCleaned last.
  bus::Disposition on_workspace_deleted(const bus::IncomingEvent& incoming, std::stop_token stop);

 private:
  Result<std::optional<events::v1::AdapterReady>> find_adapter(
      const events::v1::PlanCleared& cleared);
  void tell_stuck(const bus::IncomingEvent& deletion, const events::v1::WorkspaceRef& workspace,
                  const Failure& why);
  bus::Disposition release(const events::v1::WorkspaceRef& workspace, std::int64_t up_to_pass);

  const ProvisionerParts parts_;
};

}  // namespace tunesmith::provisioner
