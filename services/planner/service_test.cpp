// The executable on a real nats-server: starts, plans, is idle at little cost, ends when told to.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bus/connection.h"
#include "bus/current.h"
#include "bus/topology.h"
#include "file_host/file_host.h"
#include "nats_server.h"
#include "runtime/process.h"
#include "runtime/retry.h"
#include "temp_folder.h"
#include "tunesmith/events/v1/planning.pb.h"
#include "tunesmith/events/v1/workspace.pb.h"

namespace tunesmith::planner {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::uint64_t resident_kib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; status >> word;) {
    if (word == "VmRSS:") {
      std::uint64_t kib = 0;
      status >> kib;
      return kib;
    }
  }
  return 0;
}

TEST(PlannerService, StartsPlansAndEnds) {
  const testing_support::TempFolder temporary;
  const fs::path& root = temporary.path();
  fs::create_directories(root / "www");
  const auto host = tunesmith::testing::FileHost::start({.root = root / "www"});
  ASSERT_TRUE(host.has_value());
  const tunesmith::testing::NatsServer nats(tunesmith::testing::current_nats_binary());
  auto connection = bus::Connection::open({.url = nats.url(), .name = "test"}, Log::silent(), {});
  ASSERT_TRUE(connection.has_value()) << connection.error().message;
  ASSERT_TRUE(bus::init_topology(**connection, {}).has_value());
  auto current = (*connection)->key_value(bus::bucket::kCurrent);
  ASSERT_TRUE(current.has_value());
  ASSERT_TRUE((*current)->put("7b3f", bus::to_json({.generation = 1})).has_value());

  std::ofstream(root / "planner.yaml") << json{
      {"nats_url", nats.url()},
      {"model_hub", (*host)->url()},
      {"inspect", std::string(TUNESMITH_BIN_DIR) + "/tunesmith-inspect"},
      {"port_file", (root / "port").string()},
      {"work_dir", (root / "work").string()}}.dump();
  const auto begin = std::chrono::steady_clock::now();
  auto planner = Process::start({.argv = {std::string(TUNESMITH_BIN_DIR) + "/tunesmith-planner",
                                          "--config", (root / "planner.yaml").string()},
                                 .log_file = root / "log"});
  ASSERT_TRUE(planner.has_value()) << planner.error().message;
  while (!fs::exists(root / "port")) {
    ASSERT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
    wait_for(std::chrono::milliseconds(5), {});
  }
  const auto started = std::chrono::steady_clock::now() - begin;

  events::v1::WorkspaceObserved observed;
  observed.mutable_workspace()->set_uid("7b3f");
  observed.mutable_workspace()->set_generation(1);
  observed.set_manifest_json(R"({"apiVersion":"kaito.sh/v1beta1","kind":"Workspace",
    "metadata":{"name":"w"},"resource":{"labelSelector":{"matchLabels":{"app":"a"}}},
    "tuning":{"preset":{"name":"nobody/nothing"},"method":"lora",
    "input":{"urls":["https://data.example.org/a.jsonl"]},
    "output":{"image":"registry.example.org/a:1","imagePushSecret":"push"}}})");
  ASSERT_TRUE((*connection)->publish(bus::make_event(observed)).has_value());
  std::string reason;
  ASSERT_TRUE((*connection)
                  ->read_events("7b3f", true,
                                [&](const bus::IncomingEvent& event) {
                                  events::v1::PlanRejected rejected;
                                  if (event.token == "plan-rejected") {
                                    rejected.ParseFromString(event.payload);
                                    reason = rejected.failure().reason();
                                  }
                                  return reason.empty();
                                },
                                {})
                  .has_value());
  EXPECT_EQ(reason, "ModelNotFound");
  const std::uint64_t resident = resident_kib(planner->pid());
  planner->signal(SIGTERM);
  const auto ended = planner->wait({}, std::chrono::seconds(60));
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->code, 0);
  std::printf("planner: up in %lld ms, %llu KiB resident\n",
              static_cast<long long>(
                  std::chrono::duration_cast<std::chrono::milliseconds>(started).count()),
              static_cast<unsigned long long>(resident));
  EXPECT_LT(resident, 80u << 10);  // aims at 40 MiB; these machines swing
}

}  // namespace
}  // namespace tunesmith::planner
