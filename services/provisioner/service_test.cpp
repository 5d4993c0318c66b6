// The executable on a real nats-server: assigns, reacts to a suspension without an event, cleans
// up, survives a kill.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

#include "bus/connection.h"
#include "bus/current.h"
#include "bus/topology.h"
#include "nats_server.h"
#include "provisioner/slots.h"
#include "runtime/process.h"
#include "runtime/retry.h"
#include "temp_folder.h"
#include "tunesmith/events/v1/nodes.pb.h"
#include "tunesmith/events/v1/planning.pb.h"
#include "tunesmith/events/v1/workspace.pb.h"

namespace tunesmith::provisioner {
namespace {

namespace fs = std::filesystem;

class ProvisionerService : public ::testing::Test {
 protected:
  void SetUp() override {
    auto connection =
        bus::Connection::open({.url = nats_.url(), .name = "test"}, Log::silent(), {});
    ASSERT_TRUE(connection.has_value()) << connection.error().message;
    connection_ = *std::move(connection);
    ASSERT_TRUE(bus::init_topology(*connection_, {}).has_value());
    current_ = *connection_->key_value(bus::bucket::kCurrent);
    plans_ = *connection_->key_value(bus::bucket::kPlans);
    inventory_ = *connection_->key_value(bus::bucket::kInventory);
    std::ofstream(root_ / "config.yaml")
        << "nats_url: " << nats_.url() << "\nnode: here\nport_file: " << (root_ / "port").string()
        << "\n";
    start();
  }
  void start() {
    fs::remove(root_ / "port");
    auto process =
        Process::start({.argv = {std::string(TUNESMITH_BIN_DIR) + "/tunesmith-provisioner",
                                 "--config", (root_ / "config.yaml").string()},
                        .log_file = root_ / "log"});
    ASSERT_TRUE(process.has_value()) << process.error().message;
    process_.emplace(*std::move(process));
    wait_until("the provisioner is up", [&] { return fs::exists(root_ / "port"); });
  }
  static void wait_until(const char* what, const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!holds()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << what;
      wait_for(std::chrono::milliseconds(5), {});
    }
  }
  void clear(const std::string& uid) {
    ASSERT_TRUE(current_->put(uid, bus::to_json({.generation = 1})).has_value());
    events::v1::PlanCleared cleared;
    cleared.mutable_workspace()->set_uid(uid);
    cleared.mutable_workspace()->set_namespace_("default");
    cleared.mutable_workspace()->set_name("w-" + uid);
    cleared.mutable_workspace()->set_generation(1);
    cleared.mutable_plan()->set_tuning_key("key");
    ASSERT_TRUE(plans_->put(uid + ".1", cleared.plan().SerializeAsString()).has_value());
    ASSERT_TRUE(connection_->publish(bus::make_event(cleared)).has_value());
  }
  int count(const std::string& uid, const std::string& token) {
    int found = 0;
    EXPECT_TRUE(connection_
                    ->read_events(uid, false,
                                  [&](const bus::IncomingEvent& event) {
                                    found += event.token == token ? 1 : 0;
                                    return true;
                                  },
                                  {})
                    .has_value());
    return found;
  }
  std::string assigned() {
    const auto entry = inventory_->get("here");
    if (!entry || !*entry) {
      return "";
    }
    const auto state = slot_state_from_json((*entry)->value);
    return state && !state->assigned.empty() ? state->assigned[0].uid : "";
  }

  tunesmith::testing::NatsServer nats_{tunesmith::testing::current_nats_binary()};
  testing_support::TempFolder temporary_;
  const fs::path root_ = temporary_.path();
  std::unique_ptr<bus::Connection> connection_;
  std::unique_ptr<bus::KeyValue> current_, plans_, inventory_;
  std::optional<Process> process_;
};

TEST_F(ProvisionerService, AssignsQueuesAndFollowsCurrent) {
  clear("a");
  wait_until("a has a worker", [&] { return count("a", "nodes-ready") == 1; });
  clear("b");
  wait_until("b waits", [&] { return count("b", "nodes-pending") == 1; });
  ASSERT_TRUE(current_->put("a", bus::to_json({.generation = 1, .suspended = true})).has_value());
  wait_until("b has the worker", [&] { return count("b", "nodes-ready") == 1; });
  EXPECT_EQ(assigned(), "b");
  process_->signal(SIGTERM);
  const auto ended = process_->wait({}, std::chrono::seconds(60));
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->code, 0);
}

TEST_F(ProvisionerService, WhatHappenedWhileItWasDeadIsMadeUpFor) {
  clear("a");
  wait_until("a has a worker", [&] { return count("a", "nodes-ready") == 1; });
  clear("b");
  wait_until("b waits", [&] { return count("b", "nodes-pending") == 1; });
  process_->signal(SIGKILL);
  ASSERT_TRUE(process_->wait({}, std::chrono::seconds(60)).has_value());
  ASSERT_TRUE(connection_->objects().create_bucket("ws-a", 0).has_value());
  ASSERT_TRUE(current_->put("a", bus::to_json({.generation = 1, .deleting = true})).has_value());
  events::v1::WorkspaceDeleted deleted;
  deleted.mutable_workspace()->set_uid("a");
  deleted.mutable_workspace()->set_generation(1);
  ASSERT_TRUE(connection_->publish(bus::make_event(deleted)).has_value());
  start();
  wait_until("b has the worker", [&] { return count("b", "nodes-ready") == 1; });
  wait_until("a is cleaned", [&] { return count("a", "workspace-cleaned") == 1; });
  EXPECT_TRUE(connection_->objects().buckets()->empty());
  EXPECT_FALSE(plans_->get("a.1")->has_value());
  EXPECT_EQ(count("a", "nodes-ready"), 1);
}

}  // namespace
}  // namespace tunesmith::provisioner
