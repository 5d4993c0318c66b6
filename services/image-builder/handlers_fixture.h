// For tests of the handlers: the bus in memory, the registry a real one.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "fakes/memory_bus.h"
#include "image-builder/handlers.h"
#include "image-builder/testing/adapter_archive.h"
#include "registry/docker_registry.h"
#include "runtime/base64.h"
#include "runtime/retry.h"
#include "runtime/sha256.h"
#include "runtime/text.h"
#include "temp_folder.h"

namespace tunesmith::image_builder {

using namespace std::chrono_literals;
using bus::Disposition;
using ::testing::HasSubstr;
using testing_support::DockerRegistry;
namespace v1 = events::v1;

inline const testing_support::RegistryUser kUser{"demo", "s3cret"};
inline constexpr const char* kUid = "uid-1";

inline bus::Current generation(std::int64_t number, bool deleting = false, bool suspended = false) {
  bus::Current current;
  current.generation = number;
  current.deleting = deleting;
  current.suspended = suspended;
  return current;
}

// Calls somebody before an object is read.
struct InterruptedStore : fakes::MemoryObjectStore {
  std::function<void()> before_next_get;
  Result<bus::ObjectInfo> get_file(const std::string& bucket, const std::string& name,
                                   const std::filesystem::path& file,
                                   std::stop_token stop) override {
    if (const auto call = std::exchange(before_next_get, nullptr)) call();
    return MemoryObjectStore::get_file(bucket, name, file, std::move(stop));
  }
};

class HandlersTest : public ::testing::Test {
 protected:
  HandlersTest() {
    options_.secrets_dir = folder_.path() / "secrets";
    options_.work_dir = folder_.path() / "work";
    std::filesystem::create_directories(options_.work_dir);
    options_.registry.backoff.first = 10ms;
    options_.registry.backoff.most = 100ms;
    options_.check_limit = 60s;
    options_.progress_every = 0ms;
    write_secret(kUser.password);
    set_current(generation(1));
    plan_.set_tuning_key(std::string(64, 'a'));
    plan_.mutable_tuning()->mutable_model()->set_preset("smollm2-135m-instruct");
    plan_.mutable_output()->set_image(registry_.host() + "/team/adapter:v1");
    plan_.mutable_output()->set_image_push_secret("push");
    options_.registry.insecure_registries.insert(registry_.host());
  }

  void write_secret(const std::string& password) {
    std::filesystem::create_directories(options_.secrets_dir / "default");
    ASSERT_TRUE(write_file(options_.secrets_dir / "default/push",
                           R"({"auths":{")" + registry_.host() + R"(":{"auth":")" +
                               base64_encode(kUser.name + ":" + password) + R"("}}})",
                           0600));
  }
  void set_current(const bus::Current& current) {
    ASSERT_TRUE(current_.put(kUid, bus::to_json(current)));
  }
  void store_adapter(unsigned seed = 1) {
    const std::string tar = tar_of({{"adapter_config.json", kAdapterConfig},
                                    {"adapter_model.safetensors", safetensors_of(200'000, seed)}});
    objects_.put_bytes("ws-uid-1", "adapter/a/1", tar);
    adapter_.set_bucket("ws-uid-1");
    adapter_.set_name("adapter/a/1");
    adapter_.set_size_bytes(tar.size());
    adapter_.set_sha256(sha256_hex(tar));
  }
  v1::WorkspaceRef workspace(std::int64_t pass) {
    v1::WorkspaceRef ref;
    ref.set_uid(kUid);
    ref.set_namespace_("default");
    ref.set_name("demo");
    ref.set_generation(1);
    ref.set_pass(pass);
    return ref;
  }
  template <typename Event>
  bus::OutgoingEvent event(std::int64_t pass = 0) {
    Event event;
    *event.mutable_workspace() = workspace(pass);
    *event.mutable_plan() = plan_;
    if constexpr (std::is_same_v<Event, v1::AdapterReady>) *event.mutable_adapter() = adapter_;
    return bus::make_event(event);
  }
  Disposition::Kind plan(std::int64_t pass = 0) {
    return until_settled(&Handlers::on_tuning_planned,
                         fakes::delivered(event<v1::TuningPlanned>(pass)));
  }
  Disposition::Kind ready(std::int64_t pass = 0) {
    return until_settled(&Handlers::on_adapter_ready,
                         fakes::delivered(event<v1::AdapterReady>(pass)));
  }
  Handlers::World world(const Clock& clock) {
    return {http_, published_, current_, objects_, clock, metrics_, Log::silent()};
  }
  Handlers& handlers() {
    if (!handlers_) handlers_.emplace(options_, world(clock_));
    return *handlers_;
  }
  // As the consumer does it: an event that waits for the world is tried again.
  Disposition::Kind until_settled(Disposition (Handlers::*handle)(const bus::IncomingEvent&,
                                                                  std::stop_token),
                                  const bus::IncomingEvent& event) {
    while (true) {
      const auto said = (handlers().*handle)(event, stop_.get_token());
      if (said.kind != Disposition::Kind::kRetry || said.delay > 1s) return said.kind;
      wait_for(said.delay, stop_.get_token());
    }
  }
  template <typename Event>
  v1::Failure only_failure() {
    const auto events = published_.all<Event>();
    EXPECT_EQ(events.size(), 1u);
    return events.empty() ? v1::Failure() : events[0].failure();
  }

  testing_support::TempFolder folder_;
  DockerRegistry registry_{{.user = kUser}};
  BuilderOptions options_;
  v1::Plan plan_;
  v1::AdapterObject adapter_;
  HttpClient http_{HttpClientOptions{}};
  fakes::RecordingPublisher published_;
  fakes::MemoryKeyValue current_;
  InterruptedStore objects_;
  SystemClock clock_;
  prometheus::Registry registry_of_metrics_;
  Metrics metrics_{registry_of_metrics_};
  std::stop_source stop_;
  std::optional<Handlers> handlers_;
};

}  // namespace tunesmith::image_builder
