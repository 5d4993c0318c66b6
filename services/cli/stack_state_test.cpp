#include "cli/stack_state.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "cli/free_port.h"
#include "cli/stack_options.h"

namespace tunesmith::cli {
namespace {

TEST(StackState, ReadsBackWhatItWrote) {
  StackState state;
  state.state = "running";
  state.supervisor_pid = 12;
  state.supervisor_start_time = 3456;
  state.nats_port = 4222;
  state.registry_port = 5000;
  state.registry_name = "r";
  state.children = {
      {.name = "a", .argv = {"a", "-c", "f"}, .pid = 13, .restarts = 2, .last_exit = "x"},
      {.name = "b", .state = "ready"}};
  const auto again = stack_state_from_json(to_json(state));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(to_json(*again), to_json(state));
  EXPECT_EQ(again->children[0].argv, state.children[0].argv);
  EXPECT_EQ(again->children[1].state, "ready");
}

TEST(StackState, SaysWhatIsWrongWithAForeignFile) {
  for (const char* text : {"", "[]", "{}", R"({"state": 1})"}) {
    const auto state = stack_state_from_json(text);
    ASSERT_FALSE(state) << text;
    EXPECT_EQ(state.error().reason, "StackStateInvalid");
  }
}

TEST(ProcessStartTime, IdentifiesLivingProcesses) {
  EXPECT_GT(process_start_time(::getpid()), 0u);
  EXPECT_EQ(process_start_time(::getpid()), process_start_time(::getpid()));
  EXPECT_EQ(process_start_time(0), 0u);
  EXPECT_EQ(process_start_time(-1), 0u);
}

TEST(FreePort, KeepsAFreePort) {
  const std::uint16_t port = free_port(0);
  ASSERT_NE(port, 0);
  EXPECT_EQ(free_port(port), port);
}

TEST(ConnectTo, WantsHostAndPortOnBothSides) {
  StackOptions options;
  EXPECT_TRUE(add_connect_to(options, "hub.example:443=127.0.0.1:8080"));
  EXPECT_EQ(options.connect_to.at("hub.example:443"), "127.0.0.1:8080");
  for (const char* text : {"", "a", "a=b", "a:1=b", "a=b:1", ":1=b:1", "a:x=b:1", "a:1=b:"}) {
    EXPECT_FALSE(add_connect_to(options, text)) << text;
  }
}

}  // namespace
}  // namespace tunesmith::cli
