// The commands as a person types them: those that need no stack, then the others with one real
// stack.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "bus/connection.h"
#include "cli/manifest_fixture.h"
#include "cli/stack_fixture.h"
#include "cli/yaml_text.h"
#include "file_host/file_host.h"
#include "runtime/config.h"
#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kPublic = workspace_manifest("p", "http://data.example/train.jsonl?sig=SECRET");

using CommandsTest = StackTest;

TEST_F(CommandsTest, ValidateNeedsNoStackAndTellsEveryErrorOnALine) {
  const auto good =
      tunesmith({"validate", "-f", "-", "--allow-data-host", "data.example"}, kManifest);
  EXPECT_EQ(good.status.code, 0) << good.error_output;
  EXPECT_THAT(good.output, HasSubstr("workspace.kaito.sh/a is valid\n"));
  std::string bad = kManifest;
  bad.replace(bad.find("qlora"), 5, "magic");
  bad.replace(bad.find("num_train_epochs: 1"), 19, "num_train_epoch: 1 ");
  const auto done = tunesmith({"validate", "-f", "-", "--allow-data-host", "data.example"}, bad);
  EXPECT_EQ(done.status.code, 1);
  EXPECT_EQ(std::count(done.error_output.begin(), done.error_output.end(), '\n'), 2)
      << done.error_output;
  const auto told = json::parse(tunesmith({"validate", "-f", "-", "-o", "json"}, bad).output);
  EXPECT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0]["valid"], false);
  EXPECT_FALSE(fs::exists(dir_)) << "it leaves nothing";
}

TEST_F(CommandsTest, SecretsAreFilesOfTheirOwnerAndNeverShown) {
  auto done = tunesmith({"secret", "set", "push", "--docker-server", "r.example",
                         "--docker-username", "me", "--password-stdin"},
                        "TOP-SECRET\n");
  EXPECT_EQ(done.output, "secret/push created\n") << done.error_output;
  done = tunesmith({"secret", "set", "data", "--key", "token", "--stdin"}, "TOP-SECRET\n");
  EXPECT_EQ(done.status.code, 0) << done.error_output;
  const fs::path file = dir_ / "secrets/default/data";
  EXPECT_EQ(json::parse(*read_file(file)), json({{"token", "TOP-SECRET"}}));
  struct stat facts {};
  ASSERT_EQ(::stat(file.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat(file.parent_path().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0700u);
  done = tunesmith({"secret", "list"});
  EXPECT_EQ(done.output, "NAME   CONTENTS\ndata   token\npush   login of r.example\n");
  EXPECT_EQ(tunesmith({"secret", "set", "data", "--docker-server", "r", "--docker-username", "me",
                       "--password-stdin"},
                      "x")
                .status.code,
            1);
  EXPECT_EQ(tunesmith({"secret", "set", "../x", "--key", "k", "--stdin"}, "x").status.code, 2);
  EXPECT_EQ(tunesmith({"secret", "delete", "data"}).output, "secret/data deleted\n");
  EXPECT_EQ(tunesmith({"secret", "delete", "data"}).status.code, 1);
  EXPECT_FALSE(fs::exists(file));
}

// A model hub and a data host, and a planner that knows them.
class PlanCommandTest : public StackTest {
 protected:
  void SetUp() override {
    const fs::path model = dir_ / "www/models/HuggingFaceTB/SmolLM2-135M-Instruct";
    write(model / "config.json",
          R"({"model_type":"llama","vocab_size":49152,"hidden_size":576,"intermediate_size":1536,
              "num_hidden_layers":30,"num_attention_heads":9,"num_key_value_heads":3})");
    write(model / "tokenizer.json", "{}");
    write(model / "model.safetensors", "weights");
    std::string rows;
    for (int i = 0; i < 50; ++i)
      rows += R"({"text":"some words to learn from"})"
              "\n";
    write(dir_ / "www/train.jsonl", rows);
    auto host = tunesmith::testing::FileHost::start({.root = dir_ / "www"});
    ASSERT_TRUE(host) << host.error();
    host_ = std::move(*host);
    const std::string address = "127.0.0.1:" + std::to_string(host_->port());
    write(dir_ / "config/planner.yaml",
          to_yaml({{"model_hub", host_->url()},
                   {"inspect", std::string(TUNESMITH_BIN_DIR) + "/tunesmith-inspect"},
                   {"work_dir", dir_ / "work"},
                   {"allowed_data_hosts", {"data.example"}},
                   {"connect_to", {{"data.example:80", address}}}}));
  }
  static void write(const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::unique_ptr<tunesmith::testing::FileHost> host_;
};

TEST_F(PlanCommandTest, TellsWhatItWouldTakeAndAppliesNothing) {
  auto done = tunesmith({"plan", "-f", "-"}, kPublic);
  EXPECT_EQ(done.status.code, 0) << done.error_output;
  EXPECT_THAT(done.output,
              AllOf(HasSubstr("Workspace:   default/p\n"), HasSubstr("50 rows"), HasSubstr("0 USD"),
                    HasSubstr("Nothing was bought or applied."), Not(HasSubstr("SECRET"))));
  done = tunesmith({"plan", "-f", "-", "-o", "json"}, kPublic);
  const json told = json::parse(done.output);
  EXPECT_EQ(told["refused"], nullptr);
  EXPECT_EQ(told["plan"]["data"][0]["rows"], 50);
  EXPECT_GT(told["plan"]["estimatedSeconds"], 0);
  EXPECT_GT(told["plan"]["estimatedMemory"], 100'000'000);
}

TEST_F(PlanCommandTest, ARefusalHasItsReasonAndExitCode) {
  std::string missing = kPublic;
  missing.replace(missing.find("train.jsonl"), 11, "wrong.jsonl");
  const auto done = tunesmith({"plan", "-f", "-"}, missing);
  EXPECT_EQ(done.status.code, 1);
  EXPECT_THAT(done.output,
              AllOf(HasSubstr("DataNotFound"), HasSubstr("What to do:"), Not(HasSubstr("SECRET"))));
  EXPECT_EQ(tunesmith({"plan"}).status.code, 2);
  EXPECT_EQ(tunesmith({"plan", "p"}).status.code, 3) << "an applied one needs a stack";
}

// A connection as one of the services, or as the command.
std::unique_ptr<bus::Connection> connected_as(const StackPaths& paths, const std::string& service) {
  auto config = ConfigReader::open(paths.config(service + ".yaml"),
                                   [](const std::string&) { return std::optional<std::string>(); });
  if (!config) throw std::runtime_error(config.error().message);
  auto connection = bus::Connection::open(bus::ConnectionOptions::from_config(*config, "test"),
                                          Log::silent(), {});
  if (!connection) throw std::runtime_error(connection.error().message);
  return std::move(*connection);
}

TEST_F(CommandsTest, TheLifeOfAWorkspaceIsToldAndChanged) {
  up();
  const std::string manifest = refused_manifest();
  ASSERT_EQ(tunesmith({"apply", "-f", "-"}, manifest).status.code, 0);
  EXPECT_EQ(tunesmith({"watch", "wk", "a"}).status.code, 1);

  auto done = tunesmith({"describe", "workspace/a"});
  EXPECT_THAT(done.output, AllOf(HasSubstr("TrainingConfigInvalid"), HasSubstr("What to do:"),
                                 HasSubstr("tunesmith retry a")));
  done = tunesmith({"events", "a", "--timeline"});
  EXPECT_THAT(done.output, AllOf(HasSubstr("Planning"), HasSubstr("total"), HasSubstr("Failed")))
      << done.error_output;
  EXPECT_EQ(tunesmith({"plan", "a"}).status.code, 1);

  done = tunesmith({"suspend", "a"});
  EXPECT_EQ(done.output, "workspace.kaito.sh/a suspended\n") << done.error_output;
  EXPECT_EQ(tunesmith({"suspend", "a"}).output, "workspace.kaito.sh/a unchanged\n");
  EXPECT_TRUE(becomes([&] {
    const json object = json::parse(tunesmith({"get", "ws", "a", "-o", "json"}).output);
    return object.value("/status/waiting/reason"_json_pointer, "") == "Suspended" ||
           object.value("/status/state"_json_pointer, "") == "Failed";
  }));
  EXPECT_EQ(tunesmith({"apply", "-f", "-"}, manifest).output,
            "configmap/c unchanged\nworkspace.kaito.sh/a unchanged\n");
  EXPECT_EQ(tunesmith({"resume", "a"}).output, "workspace.kaito.sh/a resumed\n");
  EXPECT_EQ(tunesmith({"resume", "b"}).status.code, 1);

  EXPECT_THAT(tunesmith({"logs", "a"}).error_output, HasSubstr("no worker has begun"));
  const json object = json::parse(tunesmith({"get", "ws", "a", "-o", "json"}).output);
  const std::string uid = object["metadata"]["uid"];
  const auto worker = connected_as(paths_, "gpu-worker");
  ASSERT_TRUE(worker->logs().append(uid, {{"2026-01-31T12:00:00Z", "agent", 1, "one"},
                                          {"2026-01-31T12:00:01Z", "engine", 1, "two"}}));
  EXPECT_EQ(tunesmith({"logs", "a"}).output, "12:00:00  agent   one\n12:00:01  engine  two\n");
  EXPECT_EQ(tunesmith({"logs", "a", "--tail", "1"}).output, "12:00:01  engine  two\n");
  EXPECT_EQ(tunesmith({"logs", "a", "--since", "1h"}).output, "");
  EXPECT_EQ(tunesmith({"logs", "a", "--since", "soon"}).status.code, 2);
  EXPECT_EQ(tunesmith({"__complete", "--", "logs", ""}).output, "a\nworkspace\n");

  EXPECT_EQ(tunesmith({"delete", "a"}).status.code, 0);
  std::size_t batches = 0;
  ASSERT_TRUE(connected_as(paths_, "cli")
                  ->logs()
                  .read(uid, false,
                        [&](const std::vector<bus::LogLine>&, std::uint64_t) {
                          ++batches;
                          return true;
                        },
                        {}));
  EXPECT_EQ(batches, 0u) << "the lines go with the Workspace";
  EXPECT_EQ(tunesmith({"logs", "a"}).status.code, 1);
}

}  // namespace
}  // namespace tunesmith::cli
