// Shared by the tests of this folder: an in-memory bus with everything wired.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "bus/current.h"
#include "fakes/memory_bus.h"
#include "provisioner/handlers.h"
#include "provisioner/local_machine.h"

namespace tunesmith::provisioner {

class ProvisionerTest : public ::testing::Test {
 protected:
  static events::v1::WorkspaceRef workspace(const std::string& uid, std::int64_t generation = 1,
                                            std::int64_t pass = 0) {
    events::v1::WorkspaceRef ref;
    ref.set_uid(uid);
    ref.set_namespace_("default");
    ref.set_name("w-" + uid);
    ref.set_generation(generation);
    ref.set_pass(pass);
    return ref;
  }
  static events::v1::Plan plan(const std::string& image = "registry.example.org/a:1") {
    events::v1::Plan plan;
    plan.set_tuning_key("key");
    plan.mutable_output()->set_image(image);
    return plan;
  }
  void set_current(const std::string& uid, const bus::Current& state) {
    ASSERT_TRUE(current_.put(uid, bus::to_json(state)).has_value());
  }
  // What watcher and planner would have written.
  events::v1::PlanCleared cleared(const std::string& uid, std::int64_t generation = 1,
                                  std::int64_t pass = 0) {
    set_current(uid, {.generation = generation, .pass = pass});
    EXPECT_TRUE(
        plans_.put(uid + "." + std::to_string(generation), plan().SerializeAsString()).has_value());
    events::v1::PlanCleared event;
    *event.mutable_workspace() = workspace(uid, generation, pass);
    *event.mutable_plan() = plan();
    return event;
  }
  LocalMachine machine(std::uint32_t workers = 1) {
    return LocalMachine({.publisher = publisher_,
                         .current = current_,
                         .plans = plans_,
                         .inventory = inventory_,
                         .leases = leases_,
                         .clock = clock_,
                         .metrics = metrics_,
                         .log = Log::silent(),
                         .node = "node",
                         .workers = workers,
                         .memory_bytes_per_worker = 1 << 30});
  }
  SlotState state() const {
    const auto json = inventory_.value("node");
    const auto read = slot_state_from_json(json.value_or(""));
    EXPECT_TRUE(read.has_value());
    return read.value_or(SlotState{});
  }
  std::vector<std::string> ready_uids() const {
    std::vector<std::string> uids;
    for (const auto& ready : publisher_.all<events::v1::NodesReady>()) {
      uids.push_back(ready.workspace().uid());
    }
    return uids;
  }

  fakes::MemoryKeyValue current_, plans_, inventory_, results_, leases_, rendezvous_;
  fakes::MemoryObjectStore objects_;
  fakes::MemoryLogStream logs_;
  fakes::RecordingPublisher publisher_;
  prometheus::Registry registry_;
  Metrics metrics_{registry_};
  SystemClock clock_;
};

inline const Failure kNoBus{FailureClass::kTransient, "BusUnavailable", "no answer"};

}  // namespace tunesmith::provisioner
