// What the image-builder does with each event: decode, ask whether it still counts, make it true at
// the registry, announce.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "bus/connection.h"
#include "bus/current.h"
#include "bus/event.h"
#include "bus/held_events.h"
#include "bus/key_value.h"
#include "bus/object_store.h"
#include "image-builder/builder_options.h"
#include "image-builder/metrics.h"
#include "image-builder/push_progress.h"
#include "registry/registry_client.h"
#include "runtime/clock.h"
#include "runtime/http_client.h"
#include "runtime/log.h"
#include "tunesmith/events/v1/image.pb.h"
#include "tunesmith/events/v1/planning.pb.h"

namespace tunesmith::image_builder {

// Thread-safe: events of different Workspaces are handled at once. All that is handed in outlives
// it.
class Handlers {
 public:
  struct World {
    const HttpClient& http;
    bus::Publisher& publisher;
    bus::KeyValue& current;
    bus::ObjectStore& objects;
    const Clock& clock;
    Metrics& metrics;
    Log log;
  };
  Handlers(BuilderOptions options, World world);

  // PlanCleared when the output repository takes an upload from us and the tag is free or ours,
  // else PlanRejected.
  bus::Disposition on_tuning_planned(const bus::IncomingEvent& incoming, std::stop_token stop);
  // ImagePushed, at once when the tag holds an image of this tuning key already, else after
  // building and pushing it; or ImagePushFailed.
  bus::Disposition on_adapter_ready(const bus::IncomingEvent& incoming, std::stop_token stop);

 private:
  Result<void> check_output(const events::v1::WorkspaceRef& workspace, const events::v1::Plan& plan,
                            const registry::RegistryCall& call);
  Result<events::v1::ImagePushed> store_in_folder(const events::v1::AdapterReady& ready,
                                                  const registry::RegistryCall& call);
  Result<events::v1::ImagePushed> push(const events::v1::AdapterReady& ready,
                                       PushProgress& progress, const registry::RegistryCall& call);
  Result<registry::Image> build(const events::v1::AdapterReady& ready,
                                const std::filesystem::path& folder,
                                const registry::RegistryCall& call);
  Result<void> fetch(const events::v1::AdapterObject& adapter, const std::filesystem::path& file,
                     const registry::RegistryCall& call);
  // What is remembered of an event between its tries.
  struct Patience;
  std::shared_ptr<Patience> patience_for(const bus::IncomingEvent& incoming,
                                         const events::v1::WorkspaceRef& workspace,
                                         std::uint64_t first_sequence);
  registry::RegistryCall call_for(Patience& patience, std::chrono::milliseconds limit,
                                  std::stop_token stop);
  bus::Disposition settled(const bus::IncomingEvent& incoming, bus::Disposition disposition);
  void tell_wait(Patience& patience, const Failure& failure);
  // To be tried again when the registry or the secret may be there: the event waits, no thread
  // does. Nothing when that makes no sense, or no longer does (`failure` then says so).
  std::optional<bus::Disposition> try_later(Patience& patience, Failure& failure,
                                            std::chrono::milliseconds limit);
  // What to do instead of going on, when the event no longer counts or that cannot be known.
  std::optional<bus::Disposition> not_now(const bus::IncomingEvent& incoming,
                                          const events::v1::WorkspaceRef& workspace);
  bus::Disposition announce(const bus::OutgoingEvent& event);

  const BuilderOptions options_;
  const World world_;
  bus::HeldEvents<Patience> held_;
};

}  // namespace tunesmith::image_builder
