#include "log_shipper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "fakes/memory_bus.h"
#include "temp_folder.h"

namespace tunesmith::gpu_worker {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The thread's own batches are out of the way unless a test wants them.
constexpr std::chrono::milliseconds kNever = std::chrono::hours(1);

class LogShipperTest : public testing::Test {
 protected:
  void engine_writes(const std::string& text) const {
    std::ofstream(engine_log_, std::ios::app | std::ios::binary) << text;
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> all;
    for (const auto& line : logs_.lines("u")) all.push_back(line.text);
    return all;
  }

  testing_support::TempFolder temporary_;
  const fs::path engine_log_ = temporary_.path() / "engine.log";
  fakes::MemoryLogStream logs_;
};

TEST_F(LogShipperTest, PublishesWhatIsSaidBetweenBeginAndEnd) {
  LogShipper shipper(logs_, "u", {.batch_every = kNever});
  shipper.agent_says(R"({"message":"before"})");
  shipper.begin(3, engine_log_);
  shipper.agent_says(R"({"message":"one"})");
  shipper.engine_says(EngineCheckpoint{.step = 5, .path = "/p"});
  engine_writes("from standard error\n\nwithout an end");
  EXPECT_THAT(texts(), IsEmpty());
  shipper.end();
  shipper.agent_says(R"({"message":"after"})");
  shipper.end();
  EXPECT_THAT(texts(),
              ElementsAre("one", "checkpoint at step 5", "from standard error", "without an end"));
  EXPECT_EQ(logs_.lines("u")[0].attempt, 3u);
  EXPECT_EQ(logs_.lines("u")[2].source, "engine");
  EXPECT_EQ(logs_.batches("u"), 1u);
}

TEST_F(LogShipperTest, ItsThreadPublishesWithoutBeingAsked) {
  LogShipper shipper(logs_, "u", {.batch_every = std::chrono::milliseconds(1)});
  shipper.begin(1, engine_log_);
  shipper.agent_says(R"({"message":"one"})");
  ASSERT_TRUE(logs_.wait_for_batch("u"));
  EXPECT_THAT(texts(), ElementsAre("one"));
}

TEST_F(LogShipperTest, WhatTheBusDoesNotTakeIsDroppedAndCounted) {
  LogShipper shipper(logs_, "u", {.batch_every = kNever, .queued_lines = 2});
  shipper.begin(1, engine_log_);
  for (const char* text : {"a", "b", "c", "d"}) {
    shipper.agent_says(std::string(R"({"message":")") + text + "\"}");
  }
  logs_.fail_next({FailureClass::kTransient, "BusUnavailable", "gone"});
  shipper.end();
  EXPECT_THAT(texts(), IsEmpty());

  shipper.begin(2, engine_log_);
  for (const char* text : {"e", "f", "g"}) {
    shipper.agent_says(std::string(R"({"message":")") + text + "\"}");
  }
  shipper.end();
  EXPECT_THAT(texts(), ElementsAre("e", "f", "1 lines dropped"));
}

TEST_F(LogShipperTest, ABusThatDoesNotAnswerNeverHoldsUpWhoSpeaks) {
  LogShipper shipper(logs_, "u", {.batch_every = std::chrono::milliseconds(1), .queued_lines = 10});
  logs_.hold(true);
  shipper.begin(1, engine_log_);
  for (int i = 0; i < 10'000; ++i) shipper.agent_says(R"({"message":"x"})");  // returns
  logs_.hold(false);
  shipper.end();
  std::uint64_t said = 0;
  for (const std::string& text : texts()) said += text == "x" ? 1 : std::stoull(text);
  EXPECT_EQ(said, 10'000u);
}

TEST_F(LogShipperTest, AnEngineThatSaysTooMuchIsCut) {
  LogShipper shipper(logs_, "u", {.batch_every = kNever, .engine_bytes = 10});
  shipper.begin(1, engine_log_);
  engine_writes("first\nsecond\nthird\nlast\n");
  shipper.end();
  EXPECT_THAT(texts(), ElementsAre("last", "3 lines dropped"));
}

TEST_F(LogShipperTest, BatchesStaySmallAndAttemptsGoOnInOneFile) {
  LogShipper shipper(logs_, "u", {.batch_every = kNever, .batch_bytes = 100});
  shipper.begin(1, engine_log_);
  engine_writes(std::string(90, 'a') + "\n" + std::string(90, 'b') + "\n");
  shipper.end();
  EXPECT_EQ(logs_.batches("u"), 2u);
  engine_writes("second\n");
  shipper.begin(2, engine_log_);
  shipper.end();
  EXPECT_EQ(logs_.lines("u").size(), 3u);
  EXPECT_EQ(logs_.lines("u")[2].attempt, 2u);
}

}  // namespace
}  // namespace tunesmith::gpu_worker
