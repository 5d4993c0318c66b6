// For tests of the handlers: the whole planner against a model hub and data host of the test's own,
// real tunesmith-inspect, in-memory bus.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "bus/current.h"
#include "fakes/memory_bus.h"
#include "file_host/file_host.h"
#include "planner/handlers.h"
#include "runtime/retry.h"
#include "temp_folder.h"
#include "tunesmith/events/v1/planning.pb.h"
#include "tunesmith/events/v1/workspace.pb.h"
#include "workspace/documents.h"

namespace tunesmith::planner {

using nlohmann::json;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

inline constexpr const char* kUid = "7b3f";

inline void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

class PlannerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const fs::path model = root_ / "www/models/HuggingFaceTB/SmolLM2-135M-Instruct";
    write(model / "config.json", json{{"model_type", "llama"},
                                      {"vocab_size", 49152},
                                      {"hidden_size", 576},
                                      {"intermediate_size", 1536},
                                      {"num_hidden_layers", 30},
                                      {"num_attention_heads", 9},
                                      {"num_key_value_heads", 3},
                                      {"tie_word_embeddings", true}}
                                     .dump());
    write(model / "tokenizer.json", "{}");
    write(model / "model.safetensors", "weights");
    write(model / "README.md", "not wanted");
    write(root_ / "www/train.jsonl", chat(50));
    auto host = tunesmith::testing::FileHost::start({.root = root_ / "www"});
    ASSERT_TRUE(host.has_value()) << host.error();
    host_ = std::move(*host);
    set_current({.generation = 1});
  }

  static std::string chat(int rows) {
    std::string text;
    for (int i = 0; i < rows; ++i) {
      text += R"({"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho"}]})"
              "\n";
    }
    return text;
  }
  void set_current(const bus::Current& current) {
    ASSERT_TRUE(current_.put(kUid, bus::to_json(current)).has_value());
  }
  // Every request, or the next `times`, is answered 503.
  void be_unavailable(std::optional<int> times = std::nullopt) {
    tunesmith::testing::Fault fault;
    fault.path = "*";
    fault.status = 503;
    if (times) fault.times = *times;
    host_->set_faults({fault});
  }
  json manifest(const json& patch = json::object()) const {
    json object = *workspace::parse_value(R"(
apiVersion: kaito.sh/v1alpha1
kind: Workspace
metadata: {name: w, namespace: default}
resource: {labelSelector: {matchLabels: {app: a}}}
tuning:
  preset: {name: smollm2-135m-instruct}
  method: qlora
  output: {image: "registry.example.org/a:1", imagePushSecret: push}
)");
    object["tuning"]["input"]["urls"] = {host_->url() + "/train.jsonl?sig=secret"};
    object.merge_patch(patch);
    return object;
  }
  // As patient as the product, by that clock.
  PlannerParts parts(const Clock& clock) {
    return {.publisher = publisher_,
            .current = current_,
            .plans = plans_,
            .tools = {hub_,
                      data_http_,
                      inspector_,
                      nullptr,
                      secrets_dir_,
                      {},
                      validation_.allowed_host_paths},
            .validation = validation_,
            .inventory = [this] { return inventory_; },
            .clock = clock,
            .metrics = metrics_,
            .log = Log::silent()};
  }
  // With waits that a test can sit out.
  PlannerParts parts() {
    auto hasty = parts(clock_);
    hasty.preflight_limit = preflight_limit_;
    hasty.backoff = {.first = std::chrono::milliseconds(1), .most = std::chrono::milliseconds(20)};
    return hasty;
  }
  bus::Disposition observe(const json& object, const std::string& training_config = "",
                           std::int64_t pass = 0, const std::string& status = "",
                           std::stop_token stop = {}) {
    events::v1::WorkspaceObserved observed;
    auto& workspace = *observed.mutable_workspace();
    workspace.set_uid(kUid);
    workspace.set_namespace_("default");
    workspace.set_name("w");
    workspace.set_generation(1);
    workspace.set_pass(pass);
    observed.set_manifest_json(object.dump());
    observed.set_training_config_yaml(training_config);
    observed.set_status_json(status);
    Handlers handlers(parts());
    const auto event = fakes::delivered(bus::make_event(observed));
    // As the consumer does it: an event that waits for the world is tried again.
    while (true) {
      auto said = handlers.on_workspace_observed(event, stop);
      if (said.kind != bus::Disposition::Kind::kRetry || said.delay > std::chrono::seconds(1)) {
        return said;
      }
      wait_for(said.delay, stop);
    }
  }
  // The failure of the one PlanRejected.
  events::v1::Failure rejection() const {
    const auto rejected = publisher_.all<events::v1::PlanRejected>();
    EXPECT_EQ(rejected.size(), 1u);
    EXPECT_TRUE(publisher_.all<events::v1::TuningPlanned>().empty());
    return rejected.empty() ? events::v1::Failure() : rejected.front().failure();
  }

  testing_support::TempFolder temporary_;
  const fs::path root_ = temporary_.path();
  fs::path secrets_dir_;
  std::unique_ptr<tunesmith::testing::FileHost> host_;
  fakes::MemoryKeyValue current_, plans_;
  fakes::RecordingPublisher publisher_;
  SystemClock clock_;
  prometheus::Registry registry_;
  Metrics metrics_{registry_};
  HttpClient http_{HttpClientOptions{}};
  HttpClient data_http_{HttpClientOptions{.guard_addresses = true, .allowed_hosts = {"127.0.0.1"}}};
  workspace::ValidationOptions validation_{.allowed_data_hosts = {"127.0.0.1"}};
  Inventory inventory_;
  std::chrono::milliseconds preflight_limit_{60'000};
  struct LateHub {
    PlannerTest& test;
    std::unique_ptr<ModelHub> hub;
    operator const ModelHub&() {
      if (!hub) {
        hub = std::make_unique<ModelHub>(test.http_, test.host_->url() + "/");
      }
      return *hub;
    }
  } hub_{*this, nullptr};
  struct LateInspector {
    PlannerTest& test;
    std::unique_ptr<Inspector> inspector;
    operator const Inspector&() {
      if (!inspector) {
        inspector = std::make_unique<Inspector>(
            std::string(TUNESMITH_BIN_DIR) + "/tunesmith-inspect", test.root_ / "pieces");
      }
      return *inspector;
    }
  } inspector_{*this, nullptr};
};

}  // namespace tunesmith::planner
