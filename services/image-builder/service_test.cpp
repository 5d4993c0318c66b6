// The service as a process: events in on a real nats-server, an image out into a real registry.
#include <gmock/gmock.h>

#include <csignal>
#include <fstream>
#include <memory>
#include <optional>
#include <thread>

#include "bus/connection.h"
#include "bus/current.h"
#include "bus/topology.h"
#include "image-builder/testing/adapter_archive.h"
#include "nats_server.h"
#include "registry/docker_registry.h"
#include "runtime/process.h"
#include "runtime/retry.h"
#include "runtime/sha256.h"
#include "temp_folder.h"
#include "tunesmith/events/v1/image.pb.h"
#include "tunesmith/events/v1/planning.pb.h"

namespace tunesmith::image_builder {
namespace {

using namespace std::chrono_literals;
namespace v1 = events::v1;

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() {
    bus::ConnectionOptions options;
    options.url = nats_.url();
    bus_ = bus::Connection::open(options, Log::silent(), {}).value();
    EXPECT_TRUE(bus::init_topology(*bus_, {}));
    std::ofstream(folder_.path() / "config.yaml")
        << "nats_url: \"" << nats_.url()
        << "\"\nsecrets_dir: " << (folder_.path() / "secrets").string()
        << "\nwork_dir: " << (folder_.path() / "work").string()
        << "\nack_wait: 3s\nport_file: " << (folder_.path() / "port").string()
        << "\ninsecure_registries: [\"" << registry_.host() << "\"]\n";
    start();

    ref_.set_uid("uid-1");
    ref_.set_namespace_("default");
    ref_.set_name("demo");
    ref_.set_generation(1);
    plan_.set_tuning_key(std::string(64, 'a'));
    plan_.mutable_output()->set_image(registry_.host() + "/team/adapter:v1");
    bus::Current current;
    current.generation = 1;
    bus_->key_value(bus::bucket::kCurrent).value()->put("uid-1", bus::to_json(current)).value();
  }

  void start() {
    service_.emplace(
        Process::start({.argv = {std::string(TUNESMITH_BIN_DIR) + "/tunesmith-image-builder",
                                 "--config", (folder_.path() / "config.yaml").string()},
                        .log_file = folder_.path() / "log"})
            .value());
  }
  // The first event of this type, waiting for it.
  template <typename Event>
  std::optional<Event> await() {
    std::optional<Event> found;
    std::stop_source stop;
    std::jthread limit([&stop](const std::stop_token& over) {
      wait_for(60s, over);
      stop.request_stop();
    });
    const auto read = bus_->read_events(
        "uid-1", true,
        [&found](const bus::IncomingEvent& event) {
          if (event.token == bus::token_of<Event>()) found = *bus::decode<Event>(event);
          return !found;
        },
        stop.get_token());
    EXPECT_TRUE(read && found) << bytes_of(folder_.path() / "log");
    return found;
  }
  void announce_adapter() {
    const std::string tar = tar_of({{"adapter_config.json", kAdapterConfig},
                                    {"adapter_model.safetensors", safetensors_of(300'000)}});
    std::ofstream(folder_.path() / "tar", std::ios::binary) << tar;
    ASSERT_TRUE(bus_->objects().create_bucket("ws-uid-1", 0));
    bus_->objects().put_file("ws-uid-1", "adapter/a/1", folder_.path() / "tar", {}).value();
    v1::AdapterReady ready;
    *ready.mutable_workspace() = ref_;
    *ready.mutable_plan() = plan_;
    ready.mutable_adapter()->set_bucket("ws-uid-1");
    ready.mutable_adapter()->set_name("adapter/a/1");
    ready.mutable_adapter()->set_sha256(sha256_hex(tar));
    ASSERT_TRUE(bus_->publish(bus::make_event(ready)));
  }
  long rss_kib() const {
    std::ifstream status("/proc/" + std::to_string(service_->pid()) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmRSS:")) return std::stol(line.substr(6));
    }
    return 0;
  }

  testing_support::TempFolder folder_;
  tunesmith::testing::NatsServer nats_{tunesmith::testing::current_nats_binary()};
  testing_support::DockerRegistry registry_;
  std::unique_ptr<bus::Connection> bus_;
  std::optional<Process> service_;
  v1::WorkspaceRef ref_;
  v1::Plan plan_;
};

TEST_F(ServiceTest, PlanIsClearedAdapterIsPushedAndTheProcessEndsWhenAsked) {
  v1::TuningPlanned planned;
  *planned.mutable_workspace() = ref_;
  *planned.mutable_plan() = plan_;
  ASSERT_TRUE(bus_->publish(bus::make_event(planned)));
  ASSERT_TRUE(await<v1::PlanCleared>());
  announce_adapter();
  const auto pushed = await<v1::ImagePushed>();
  ASSERT_TRUE(pushed);
  EXPECT_TRUE(pushed->digest().starts_with("sha256:"));

  EXPECT_LT(rss_kib(), 80 * 1024);  // aims at 40 MiB; these machines swing
  RecordProperty("rss_kib", static_cast<int>(rss_kib()));
  service_->signal(SIGTERM);
  const auto ended = service_->wait({}, 30s);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->code, 0) << bytes_of(folder_.path() / "log");
}

TEST_F(ServiceTest, KilledWhileTheRegistryIsAwayStillEndsInOneImage) {
  registry_.kill();
  announce_adapter();
  ASSERT_TRUE(await<v1::ImagePushProgressed>());
  service_->signal(SIGKILL);
  service_->wait({}, 30s);
  registry_.restart();
  start();
  ASSERT_TRUE(await<v1::ImagePushed>());
}

}  // namespace
}  // namespace tunesmith::image_builder
