// A stack of real processes for tests: the tunesmith command in a folder of its own.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "cli/stack_state.h"
#include "runtime/process.h"

namespace tunesmith::cli {

inline constexpr const char* kManifest = R"(
apiVersion: kaito.sh/v1alpha1
kind: Workspace
metadata: {name: a}
resource:
  instanceType: Standard_NC24ads_A100_v4
  labelSelector: {matchLabels: {app: a}}
tuning:
  preset: {name: smollm2-135m-instruct}
  method: qlora
  config: c
  input: {urls: ["http://data.example/train.parquet"]}
  output: {image: "registry.tunesmith.internal/a:1", imagePushSecret: demo-registry}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data:
  training_config.yaml: |
    training_config:
      TrainingArguments:
        num_train_epochs: 1
)";

// What only the planner refuses, at once and each time: 4-bit weights contradict the method.
inline std::string refused_manifest() {
  std::string text = kManifest;
  text.replace(text.find("qlora"), 5, "lora");
  return text + "      QuantizationConfig: {load_in_4bit: true}\n";
}

class StackTest : public testing::Test {
 protected:
  ~StackTest() override {
    tunesmith({"down"});
    std::filesystem::remove_all(dir_);
  }
  CompletedProcess tunesmith(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), std::string(TUNESMITH_BIN_DIR) + "/tunesmith");
    auto done = run_process(
        {.argv = arguments, .environment = {{"TUNESMITH_HOME", dir_.string()}}, .input = input},
        std::chrono::minutes(2), {});
    EXPECT_TRUE(done) << done.error().message;
    return done ? *done : CompletedProcess{};
  }
  StackState state() const {
    const auto read = read_stack_state(paths_);
    EXPECT_TRUE(read && *read);
    return read && *read ? **read : StackState{};
  }
  ChildState child(const std::string& name) const {
    for (const ChildState& one : state().children) {
      if (one.name == name) return one;
    }
    ADD_FAILURE() << "no child " << name;
    return {};
  }
  // Looks until it is so. What is waited for lies in other processes (stack.json, the process
  // table, a file, what a command prints), which tell this one nothing: there is no event to wait
  // for.
  bool becomes(const std::function<bool()>& true_now) const {
    for (int i = 0; i < 6000; ++i) {
      if (true_now()) return true;
      ::usleep(10'000);
    }
    return false;
  }
  std::vector<nlohmann::json> events_of(const std::string& name, const std::string& token) {
    std::vector<nlohmann::json> found;
    std::istringstream lines(tunesmith({"events", name, "-o", "json"}).output);
    for (std::string line; std::getline(lines, line);) {
      nlohmann::json event = nlohmann::json::parse(line, nullptr, false);
      if (event.is_object() && event["event"] == token) found.push_back(std::move(event));
    }
    return found;
  }
  void up() {
    const auto done = tunesmith(
        {"up", "--allow-data-host", "data.example", "--connect-to", "data.example:80=127.0.0.1:1"});
    ASSERT_EQ(done.status.code, 0) << done.error_output;
    ASSERT_EQ(state().state, "running");
  }

  std::filesystem::path dir_ =
      std::filesystem::path(testing::TempDir()) / ("stack_test_" + std::to_string(::getpid()));
  StackPaths paths_{dir_};
};

}  // namespace tunesmith::cli
