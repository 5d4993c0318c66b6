// The executable beside a real nats-server: what it writes and announces, and that being killed or
// stopped loses nothing.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "bus/connection.h"
#include "bus/current.h"
#include "bus/topology.h"
#include "nats_server.h"
#include "runtime/process.h"
#include "runtime/retry.h"
#include "runtime/text.h"
#include "temp_folder.h"
#include "tunesmith/events/v1/nodes.pb.h"
#include "tunesmith/events/v1/workspace.pb.h"

namespace tunesmith::watcher {
namespace {

namespace fs = std::filesystem;
namespace v1 = events::v1;
using nlohmann::json;
using std::chrono::seconds;

// An event on its way to a process that is killed is delivered again after the ack wait of 30 s.
constexpr seconds kSoon{120};

class WatcherProcessTest : public ::testing::Test {
 protected:
  WatcherProcessTest() {
    auto connection = bus::Connection::open({.url = server_.url(), .name = "test"}, log_, {});
    if (!connection) throw std::runtime_error(connection.error().message);
    connection_ = std::move(*connection);
    if (auto made = bus::init_topology(*connection_, {}); !made) {
      throw std::runtime_error(made.error().message);
    }
    workspaces_ = *connection_->key_value(bus::bucket::kWorkspaces);
    current_ = *connection_->key_value(bus::bucket::kCurrent);
    start();
  }

  void start() {
    ProcessOptions options;
    options.argv = {std::string(TUNESMITH_BIN_DIR) + "/tunesmith-watcher"};
    options.environment = {{"TUNESMITH_NATS_URL", server_.url()},
                           {"TUNESMITH_PORT_FILE", (folder_ / "port").string()}};
    options.log_file = folder_ / "log";
    auto process = Process::start(std::move(options));
    if (!process) throw std::runtime_error(process.error().message);
    watcher_.emplace(std::move(*process));
  }

  void apply(bool deleting = false) {
    json object = {
        {"metadata", {{"name", "w"}, {"namespace", "default"}, {"uid", "u1"}, {"generation", 1}}}};
    if (deleting) object["metadata"]["deletionTimestamp"] = "2026-01-31T12:00:00Z";
    ASSERT_TRUE(workspaces_->put("spec.default.w", object.dump()));
  }
  template <typename Event>
  void publish() {
    Event event;
    event.mutable_workspace()->set_uid("u1");
    event.mutable_workspace()->set_namespace_("default");
    event.mutable_workspace()->set_name("w");
    event.mutable_workspace()->set_generation(1);
    ASSERT_TRUE(connection_->publish(bus::make_event(event)));
  }
  // Follows the bucket until the entry satisfies `enough` (a removed one is nullptr).
  bool wait_for(bus::KeyValue& bucket, const std::string& key,
                const std::function<bool(const json&)>& enough) {
    std::stop_source done;
    bool found = false;
    std::jthread clock([&](const std::stop_token& stop) {
      if (tunesmith::wait_for(kSoon, stop)) done.request_stop();
    });
    const auto watched = bucket.watch(
        key,
        [&](const bus::KeyValueEntry& entry) {
          if (found || !enough(entry.deleted ? json() : json::parse(entry.value))) return;
          found = true;
          done.request_stop();
        },
        [&] {
          const auto now = bucket.get(key);
          if (found || !now || *now || !enough(json())) return;
          found = true;
          done.request_stop();
        },
        done.get_token());
    return watched && found;
  }
  bool wait_for_state(const std::string& state) {
    return wait_for(*workspaces_, "status.default.w", [&](const json& status) {
      return status.is_object() && status.at("state") == state;
    });
  }
  std::size_t announced(const std::string& token) {
    std::size_t count = 0;
    const auto read = connection_->read_events("u1", false,
                                               [&](const bus::IncomingEvent& event) {
                                                 count += event.token == token ? 1 : 0;
                                                 return true;
                                               },
                                               {});
    EXPECT_TRUE(read);
    return count;
  }

  const Log log_ = Log::silent();
  testing::NatsServer server_{testing::current_nats_binary()};
  std::unique_ptr<bus::Connection> connection_;
  std::unique_ptr<bus::KeyValue> workspaces_, current_;
  testing_support::TempFolder temporary_;
  const fs::path folder_ = temporary_.path();
  std::optional<Process> watcher_;
};

TEST_F(WatcherProcessTest, FollowsAWorkspaceFromApplyToDelete) {
  apply();
  ASSERT_TRUE(wait_for_state("Pending")) << read_file(folder_ / "log").value_or("");
  publish<v1::NodesReady>();
  ASSERT_TRUE(wait_for_state("Running"));
  apply(true);
  ASSERT_TRUE(wait_for(*current_, "u1", [](const json& current) {
    return current.is_object() && current.at("deleting") == true;
  }));
  publish<v1::WorkspaceCleaned>();
  ASSERT_TRUE(wait_for(*current_, "u1", [](const json& current) { return current.is_null(); }));
  EXPECT_TRUE(workspaces_->keys(">").value().empty());
  EXPECT_EQ(announced("workspace-observed"), 1u);
  EXPECT_EQ(announced("workspace-deleted"), 1u);
}

TEST_F(WatcherProcessTest, AKilledOneMissesNothing) {
  apply();
  ASSERT_TRUE(wait_for_state("Pending"));
  watcher_->signal(SIGKILL);
  ASSERT_TRUE(watcher_->wait({}, kSoon));
  publish<v1::NodesReady>();
  start();
  EXPECT_TRUE(wait_for_state("Running")) << read_file(folder_ / "log").value_or("");
  EXPECT_EQ(announced("workspace-observed"), 1u);
}

TEST_F(WatcherProcessTest, AKilledServerCostsOnlyTime) {
  apply();
  ASSERT_TRUE(wait_for_state("Pending"));
  server_.kill_hard();
  server_.start();
  publish<v1::NodesReady>();
  EXPECT_TRUE(wait_for_state("Running")) << read_file(folder_ / "log").value_or("");
}

TEST_F(WatcherProcessTest, StopsInTime) {
  apply();
  ASSERT_TRUE(wait_for_state("Pending"));
  const auto begun = std::chrono::steady_clock::now();
  watcher_->signal(SIGTERM);
  const auto ended = watcher_->wait({}, kSoon);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->code, 0) << read_file(folder_ / "log").value_or("");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(15));  // 5 s on a machine at rest
}

TEST_F(WatcherProcessTest, StopsInTimeWithoutAServer) {
  apply();
  ASSERT_TRUE(wait_for_state("Pending"));
  server_.kill_hard();
  const auto begun = std::chrono::steady_clock::now();
  watcher_->signal(SIGTERM);
  const auto ended = watcher_->wait({}, kSoon);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->code, 0) << read_file(folder_ / "log").value_or("");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(15));
}

}  // namespace
}  // namespace tunesmith::watcher
