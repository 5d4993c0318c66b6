#include "engine_line.h"

#include <gtest/gtest.h>

namespace tunesmith::gpu_worker {
namespace {

template <typename Line>
Line parsed(const std::string& text) {
  auto line = parse_engine_line(text);
  EXPECT_TRUE(line.has_value()) << text;
  return line ? std::get<Line>(*line) : Line{};
}

TEST(EngineLine, ReadsEveryEventOfTheTable) {
  auto started = parsed<EngineStarted>(R"({"event":"started","total_steps":40,"resumed_step":10})");
  EXPECT_EQ(started.total_steps, 40u);
  EXPECT_EQ(started.resumed_step, 10u);

  auto progress = parsed<EngineProgress>(
      R"({"event":"progress","step":3,"total_steps":40,"epoch":0.25,"loss":1.5,"learning_rate":1e-3,"tokens_per_second":300.5,"eta_seconds":60})");
  EXPECT_EQ(progress.step, 3u);
  EXPECT_DOUBLE_EQ(progress.loss, 1.5);
  EXPECT_DOUBLE_EQ(progress.eta_seconds, 60);

  EXPECT_DOUBLE_EQ(parsed<EngineEval>(R"({"event":"eval","step":0,"loss":2.5})").loss, 2.5);
  EXPECT_EQ(parsed<EngineAlive>(R"({"event":"alive","step":7,"phase":"Evaluating"})").phase,
            "Evaluating");
  EXPECT_EQ(parsed<EngineCheckpoint>(R"({"event":"checkpoint","step":7,"path":"/c/7"})").path,
            "/c/7");
  EXPECT_EQ(parsed<EngineInterrupted>(R"({"event":"interrupted","step":9})").step, 9u);

  auto finished = parsed<EngineFinished>(
      R"({"event":"finished","steps":40,"train_loss":0.1,"eval_loss_before":null,"eval_loss_after":null,"adapter_dir":"/a","seconds":5,"tokens":900,"peak_memory_bytes":1000})");
  EXPECT_EQ(finished.adapter_dir, "/a");
  EXPECT_DOUBLE_EQ(finished.eval_loss_before, 0);  // no evaluation split
}

TEST(EngineLine, KeepsTheClassOfAFailure) {
  auto permanent_one = parsed<EngineFailed>(
      R"({"event":"failed","class":"Permanent","reason":"NoTrainableTokens","message":"m"})");
  EXPECT_EQ(permanent_one.failure, (Failure{FailureClass::kPermanent, "NoTrainableTokens", "m"}));
  auto transient_one = parsed<EngineFailed>(
      R"({"event":"failed","class":"Transient","reason":"DiskFull","message":"m"})");
  EXPECT_EQ(transient_one.failure.failure_class, FailureClass::kTransient);
}

TEST(EngineLine, RefusesWhatIsNotInTheTable) {
  for (const char* line : {"", "hello", "[1]", R"({"event":"dance"})", R"({"step":1})"}) {
    auto result = parse_engine_line(line);
    ASSERT_FALSE(result.has_value()) << line;
    EXPECT_EQ(result.error().reason, "EngineProtocol");
  }
}

}  // namespace
}  // namespace tunesmith::gpu_worker
