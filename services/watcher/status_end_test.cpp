// How it ends: success that stays, failures that stand, dead letters, and what cannot be read.
#include "watcher/status_history.h"

namespace tunesmith::watcher {
namespace {

TEST(StatusFold, SuccessStays) {
  History history = whole_history();
  history.push_back(told(50, {}, failed<v1::TuningFailed>("Late")));
  history.push_back(told(51, {.pass = 9}, failed<v1::ImagePushFailed>("PushDenied")));
  const json status = folded(history);
  EXPECT_EQ(status.at("state"), "Succeeded");
  EXPECT_FALSE(status.contains("failure"));
}

TEST(StatusFold, LookingAgainDoesNotExcuseAFailure) {
  const History history = {told(0, {}, observed()), told(2, {}, planned()),
                           told(9, {}, failed<v1::TuningFailed>("OutOfMemory")),
                           told(80, {.pass = 100}, observed(), kAgain),
                           told(81, {.pass = 100}, planned())};
  EXPECT_EQ(folded(history).at("failure").at("reason"), "OutOfMemory");
  expect_no_order(history);
}

TEST(StatusFold, IncidentsAreBounded) {
  json status;
  for (int attempt = 1; attempt <= 200; ++attempt) {
    auto next = fold(status, told(attempt, {}, started(attempt, "Lost" + std::to_string(attempt)),
                                  std::to_string(attempt)));
    ASSERT_TRUE(next);
    status = *next;
  }
  EXPECT_EQ(status.at("incidents").size(), 20u);
  EXPECT_EQ(status.at("incidents").back().at("reason"), "Lost200");
}

TEST(StatusFold, DeadLettersAreIncidentsToldOnce) {
  const json before = folded({told(0, {}, observed())});
  bus::DeadLetter letter{.sequence = 4, .event = told(1, {}, planned()), .consumer = "planner"};
  letter.failure = {FailureClass::kPoison, "EventUndecodable", "garbage"};
  letter.time = "2026-01-31T12:00:09.000Z";
  const json status = fold_dead_letter(fold_dead_letter(before, letter), letter);
  ASSERT_EQ(status.at("incidents").size(), 1u);
  EXPECT_EQ(status.at("incidents")[0].at("reason"), "DeadLettered");
  EXPECT_EQ(status.at("incidents")[0].at("count"), 1);
  letter.event.uid = "another";
  EXPECT_EQ(fold_dead_letter(before, letter), before);
}

// Or a NodesReady of what was wanted before would take the worker from what is wanted now.
TEST(StatusFold, DeadLettersOfAnOlderGenerationChangeNothing) {
  const json now = folded({told(5, {.generation = 2}, observed())});
  bus::DeadLetter letter{.sequence = 4, .event = told(1, {}, ready()), .consumer = "gpu-worker"};
  letter.time = "2026-01-31T12:00:09.000Z";
  EXPECT_EQ(fold_dead_letter(now, letter), now);
  EXPECT_FALSE(lost_its_worker(fold_dead_letter(now, letter)));
  letter.event = told(6, {.generation = 2}, ready());
  EXPECT_TRUE(lost_its_worker(fold_dead_letter(now, letter)));
}

// A message that was cut in the middle of a letter must not end whoever writes the status out.
TEST(StatusFold, WhatADeadLetterSaysIsMadeReadable) {
  bus::DeadLetter letter{.sequence = 4, .event = told(1, {}, planned()), .consumer = "planner"};
  letter.failure = {FailureClass::kPoison, "EventUndecodable", "cut here: \xc3"};
  const json status = fold_dead_letter(folded({told(0, {}, observed())}), letter);
  EXPECT_NO_THROW(static_cast<void>(status.dump()));
  EXPECT_NE(status.at("incidents")[0].at("message").get<std::string>().find("cut here"),
            std::string::npos);
}

TEST(StatusFold, RefusesWhatItCannotRead) {
  EXPECT_EQ(fold(nullptr, {.token = "tuning-planned", .payload = "\xff"}).error().reason,
            "EventUndecodable");
  EXPECT_EQ(fold(nullptr, {.token = "no-such-event"}).error().reason, "EventUnknown");
}

TEST(StatusFold, StartsOverFromADocumentThatIsNotOurs) {
  for (const json& alien : {json("text"), json{{"facts", 1}}, json{{"facts", {{"uid", "u1"}}}}}) {
    const auto status = fold(alien, told(0, {}, observed()));
    ASSERT_TRUE(status);
    EXPECT_EQ(status->at("state"), "Pending");
  }
}

}  // namespace
}  // namespace tunesmith::watcher
