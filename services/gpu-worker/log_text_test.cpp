#include "log_text.h"

#include <gtest/gtest.h>

namespace tunesmith::gpu_worker {
namespace {

TEST(LogText, LosesWhatCouldBeASecret) {
  EXPECT_EQ(safe_log_text("get https://user:pw@host.example/a/b?sig=SECRET#x, then stop"),
            "get https://host.example/a/b, then stop");
  EXPECT_EQ(safe_log_text("\"HTTP://host.example/x?token=SECRET\""), "\"HTTP://host.example/x\"");
  EXPECT_EQ(safe_log_text("Authorization: Bearer SECRET.x; basic U0VDUkVU"),
            "Authorization: Bearer ***; basic ***");
  EXPECT_EQ(safe_log_text("token hf_abcdefghijklmnop given"), "token hf_*** given");
  EXPECT_EQ(safe_log_text("unhf_abcdefghijklmnop, hf_x"), "unhf_abcdefghijklmnop, hf_x");
}

TEST(LogText, IsOneShortLineThatNoTerminalObeys) {
  EXPECT_EQ(safe_log_text("a\x1b[31mred\x07\tb\r\n"), "a [31mred  b");
  EXPECT_EQ(safe_log_text("\xff|"), "\xef\xbf\xbd|");
  const std::string cut = safe_log_text(std::string(3'000, 'x'));
  EXPECT_EQ(cut.size(), kLongestLogLine);
  EXPECT_TRUE(cut.ends_with("x…"));
  std::string umlauts;
  for (int i = 0; i < 2'000; ++i) umlauts += "\xc3\xbc";
  EXPECT_LE(safe_log_text(umlauts).size(), kLongestLogLine);
  EXPECT_TRUE(safe_log_text(umlauts).ends_with("\xc3\xbc…"));
}

TEST(LogText, TellsTheEnginesLinesToPeople) {
  EXPECT_EQ(log_text_of(EngineStarted{.total_steps = 7, .resumed_step = 0}),
            "training begins: 7 steps");
  EXPECT_EQ(log_text_of(EngineStarted{.total_steps = 7, .resumed_step = 3}),
            "training goes on from step 3 of 7");
  EXPECT_EQ(log_text_of(EngineProgress{.step = 2,
                                       .total_steps = 7,
                                       .epoch = 0.25,
                                       .loss = 1.5,
                                       .learning_rate = 1e-4,
                                       .tokens_per_second = 99.6,
                                       .eta_seconds = 1}),
            "step 2/7  epoch 0.25  loss 1.5000  learning rate 0.0001  100 tok/s");
  EXPECT_EQ(log_text_of(EngineAlive{.step = 1, .phase = "Training"}), "");
  EXPECT_EQ(log_text_of(EngineFailed{{FailureClass::kPermanent, "OutOfMemory", "too much"}}),
            "failed: OutOfMemory: too much");
}

TEST(LogText, TellsTheAgentsLinesWithoutWhatAllHave) {
  EXPECT_EQ(
      agent_log_text(
          R"({"time":"t","level":"warning","service":"gpu-worker","message":"attempt failed","uid":"u","attempt":2,"reason":"EngineKilled"})"),
      "warning: attempt failed  attempt=2  reason=EngineKilled");
  EXPECT_EQ(agent_log_text(R"({"level":"info","message":"stored"})"), "stored");
  EXPECT_EQ(agent_log_text("no json"), "no json");
}

}  // namespace
}  // namespace tunesmith::gpu_worker
