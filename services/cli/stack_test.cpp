// The tunesmith command itself, with real nats-server, registry and services.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/readiness.h"
#include "cli/stack_fixture.h"
#include "cli/stack_state.h"
#include "runtime/http_client.h"
#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

TEST_F(StackTest, UpDownAndUpAgainKeepAddressesAndPasswords) {
  up();
  const StackState first = state();
  for (const ChildState& child : first.children) {
    EXPECT_EQ(child.state, "ready") << child.name;
    EXPECT_EQ(process_start_time(child.pid), child.start_time) << child.name;
  }
  EXPECT_EQ(first.children.size(), 7u);
  for (const fs::path& secret :
       {paths_.auth("nats-planner"), paths_.config("nats.conf"), paths_.auth("registry.htpasswd"),
        paths_.secrets() / "default" / "demo-registry"}) {
    struct stat facts {};
    ASSERT_EQ(::stat(secret.c_str(), &facts), 0) << secret;
    EXPECT_EQ(facts.st_mode & 0777U, 0600U) << secret;
  }
  const auto again = tunesmith({"up"});
  EXPECT_EQ(again.status.code, 0);
  EXPECT_THAT(again.output, HasSubstr("already up"));
  EXPECT_EQ(state().supervisor_pid, first.supervisor_pid);

  EXPECT_EQ(tunesmith({"down"}).status.code, 0);
  EXPECT_EQ(process_start_time(first.supervisor_pid), 0u);
  for (const ChildState& child : first.children) {
    EXPECT_EQ(process_start_time(child.pid), 0u) << child.name << " is left";
  }
  const auto down_again = tunesmith({"down"});
  EXPECT_EQ(down_again.status.code, 0);
  EXPECT_THAT(down_again.output, HasSubstr("No stack is running"));

  up();
  EXPECT_EQ(state().nats_port, first.nats_port);
  EXPECT_EQ(state().registry_port, first.registry_port);
}

TEST_F(StackTest, TheRegistryAsksForItsPassword) {
  up();
  const auto secret = read_file(paths_.secrets() / "default" / "demo-registry");
  ASSERT_TRUE(secret);
  const std::string url = "http://" + child("registry").address + "/v2/";
  const std::string auth = json::parse(*secret)["auths"]["registry.tunesmith.internal"]["auth"];
  const HttpClient http({});
  EXPECT_EQ(http.send({.url = url})->status, 401);
  EXPECT_EQ(http.send({.url = url, .headers = {{"Authorization", "Basic " + auth}}})->status, 200);
  EXPECT_EQ(http.send({.url = url, .headers = {{"Authorization", "Basic eDp5"}}})->status, 401);
}

TEST_F(StackTest, AChildThatDiesIsStartedAgainAndReported) {
  up();
  for (const char* name : {"planner", "nats-server"}) {
    const ChildState before = child(name);
    ASSERT_EQ(::kill(before.pid, SIGKILL), 0);
    ASSERT_TRUE(becomes([&] { return child(name).restarts == 1 && child(name).state == "ready"; }))
        << name;
    EXPECT_NE(child(name).pid, before.pid);
    EXPECT_EQ(child(name).last_exit, "was killed by signal 9 (Killed)");
  }
  EXPECT_THAT(
      read_file(paths_.log("supervisor")).value_or(""),
      HasSubstr(R"x("message":"died: was killed by signal 9 (Killed)","child":"planner")x"));
  const auto got = tunesmith({"get", "workspaces"});
  EXPECT_EQ(got.status.code, 0) << got.error_output;
}

TEST_F(StackTest, AKilledSupervisorLeavesNobodyAndCanBeStartedAgain) {
  up();
  const StackState first = state();
  ASSERT_EQ(::kill(first.supervisor_pid, SIGKILL), 0);
  for (const ChildState& child : first.children) {
    EXPECT_TRUE(becomes([&] { return process_start_time(child.pid) != child.start_time; }))
        << child.name;
  }
  EXPECT_THAT(tunesmith({"down"}).output, HasSubstr("No stack is running"));
  up();
}

TEST_F(StackTest, SaysWhatIsMissing) {
  const auto done = tunesmith({"up", "--nats-server", "/no/such/nats-server"});
  EXPECT_EQ(done.status.code, 1);
  EXPECT_THAT(done.error_output, HasSubstr("not found: nats-server"));
  const auto dead = tunesmith({"up", "--nats-server", "/bin/false"});
  EXPECT_EQ(dead.status.code, 1);
  EXPECT_THAT(dead.error_output, HasSubstr("nats-server cannot be started: it exited with code 1"));
  EXPECT_THAT(tunesmith({"down"}).output, HasSubstr("No stack is running"));
}

TEST_F(StackTest, ObjectsAreAppliedShownAndDeleted) {
  up();
  auto done = tunesmith({"apply", "-f", "-"}, kManifest);
  EXPECT_EQ(done.output, "configmap/c created\nworkspace.kaito.sh/a created\n")
      << done.error_output;
  done = tunesmith({"apply", "-f", "-"}, kManifest);
  EXPECT_EQ(done.output, "configmap/c unchanged\nworkspace.kaito.sh/a unchanged\n");
  std::string changed = kManifest;
  changed.replace(changed.find("num_train_epochs: 1"), 19, "num_train_epochs: 2");
  done = tunesmith({"apply", "-f", "-"}, changed);
  EXPECT_EQ(done.output, "configmap/c configured\nworkspace.kaito.sh/a unchanged\n");
  EXPECT_THAT(done.error_output, HasSubstr("a ConfigMap is read once per generation"));

  changed.replace(changed.find("num_train_epochs: 2"), 19, "num_train_epochs: 3");
  changed.replace(changed.find("/a:1"), 4, "/a:2");
  done = tunesmith({"apply", "-f", "-"}, changed);
  EXPECT_EQ(done.output, "configmap/c configured\nworkspace.kaito.sh/a configured\n");
  EXPECT_THAT(done.error_output, Not(HasSubstr("read once per generation")));

  const json object = json::parse(tunesmith({"get", "ws", "a", "-o", "json"}).output);
  EXPECT_EQ(object["metadata"]["generation"], 2);
  EXPECT_EQ(tunesmith({"get", "cm", "-o", "name"}).output, "configmap/c\n");
  EXPECT_THAT(tunesmith({"get"}).output, HasSubstr("NAME   INSTANCE"));
  EXPECT_THAT(tunesmith({"get", "-n", "other"}).error_output,
              HasSubstr("No resources found in other namespace."));
  EXPECT_THAT(tunesmith({"describe", "a"}).output,
              HasSubstr("workspace-observed  default/a gen 2"));
  EXPECT_THAT(tunesmith({"events", "a"}).output, HasSubstr("workspace-observed  default/a gen 1"));

  done = tunesmith({"delete", "workspace/a"});
  EXPECT_EQ(done.output, "workspace.kaito.sh/a deleted\n") << done.error_output;
  done = tunesmith({"get", "ws", "a"});
  EXPECT_EQ(done.status.code, 1);
  EXPECT_EQ(done.error_output, "error: workspaces.kaito.sh \"a\" not found\n");
  EXPECT_EQ(tunesmith({"delete", "ws", "a", "--ignore-not-found"}).status.code, 0);
  EXPECT_EQ(tunesmith({"delete", "ws", "a"}).status.code, 1);
}

// Also when it is quite another Workspace: what may not change in an update may here.
TEST_F(StackTest, WhatIsStillBeingDeletedIsMadeAnewWhenItIsGone) {
  up();
  std::string manifest = kManifest;
  ASSERT_EQ(tunesmith({"apply", "-f", "-"}, manifest).status.code, 0);
  const pid_t cleaner = child("provisioner").pid;
  ASSERT_EQ(::kill(cleaner, SIGSTOP), 0);
  EXPECT_EQ(tunesmith({"delete", "a", "--wait=false"}).status.code, 0);
  manifest.replace(manifest.find("Standard_NC24ads_A100_v4"), 24, "Standard_NC96ads_A100_v4");
  const auto told = dir_ / "told";
  std::thread other([&] {
    const auto done =
        run_process({.argv = {"/bin/sh", "-c", "exec \"$0\" apply -f - 2>\"$1\"",
                              std::string(TUNESMITH_BIN_DIR) + "/tunesmith", told.string()},
                     .environment = {{"TUNESMITH_HOME", dir_.string()}},
                     .input = manifest},
                    std::chrono::minutes(2), {});
    ASSERT_TRUE(done);
    EXPECT_EQ(done->status.code, 0) << read_file(told).value_or("");
    EXPECT_EQ(done->output, "configmap/c unchanged\nworkspace.kaito.sh/a created\n");
  });
  EXPECT_TRUE(becomes([&] {
    return read_file(told).value_or("").find("is still being deleted") != std::string::npos;
  }));
  ASSERT_EQ(::kill(cleaner, SIGCONT), 0);
  other.join();
}

TEST_F(StackTest, NothingIsSentWhenAnyDocumentIsRefused) {
  up();
  std::string bad = kManifest;
  bad.replace(bad.find("qlora"), 5, "magic");
  const auto done = tunesmith({"apply", "-f", "-"}, bad);
  EXPECT_EQ(done.status.code, 1);
  EXPECT_EQ(done.output, "");
  EXPECT_THAT(done.error_output, HasSubstr("standard input, document 1: workspace.kaito.sh/a: "));
  EXPECT_EQ(tunesmith({"get", "cm", "-o", "name"}).output, "");
  const auto secret = tunesmith({"apply", "-f", "-"}, "{apiVersion: v1, kind: Secret}");
  EXPECT_EQ(secret.status.code, 1);
  EXPECT_THAT(secret.error_output, HasSubstr("'v1 Secret' is not for tunesmith"));
}

TEST_F(StackTest, ExitCodesTellUsageFromFailure) {
  EXPECT_EQ(tunesmith({"bogus"}).status.code, 2);
  EXPECT_EQ(tunesmith({"apply"}).status.code, 2);
  EXPECT_EQ(tunesmith({"watch", "a", "b"}).status.code, 2);
  EXPECT_EQ(tunesmith({"up", "--connect-to", "nonsense"}).status.code, 2);
  const auto no_stack = tunesmith({"get"});
  EXPECT_EQ(no_stack.status.code, 3);
  EXPECT_THAT(no_stack.error_output, HasSubstr("tunesmith up"));
  EXPECT_EQ(tunesmith({"--version"}).output.substr(0, 10), "tunesmith ");
}

}  // namespace
}  // namespace tunesmith::cli
