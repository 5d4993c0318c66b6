// The fold: what it shows after known histories, and that neither order nor repetition changes it.
#include "watcher/status_fold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "tunesmith/events/v1/image.pb.h"
#include "tunesmith/events/v1/nodes.pb.h"
#include "tunesmith/events/v1/planning.pb.h"
#include "tunesmith/events/v1/tuning.pb.h"
#include "tunesmith/events/v1/workspace.pb.h"
#include "watcher/status_render.h"

namespace tunesmith::watcher {
namespace {

using nlohmann::json;
namespace v1 = events::v1;
using History = std::vector<bus::IncomingEvent>;

struct At {
  std::int64_t generation = 1;
  std::int64_t pass = 0;
};

// An event told at second `second` of a quiet hour.
template <typename Event>
bus::IncomingEvent told(int second, At at, Event event = {}, const std::string& suffix = "") {
  auto* workspace = event.mutable_workspace();
  workspace->set_uid("u1");
  workspace->set_namespace_("default");
  workspace->set_name("w");
  workspace->set_generation(at.generation);
  workspace->set_pass(at.pass);
  const auto out = bus::make_event(event, suffix);
  char time[32];
  std::snprintf(time, sizeof time, "2026-01-31T12:%02d:%02d.000Z", second / 60, second % 60);
  return {.id = out.id, .token = out.token, .uid = "u1", .payload = out.payload, .time = time};
}

v1::Plan plan() {
  v1::Plan plan;
  plan.set_tuning_key("key");
  auto& model = *plan.mutable_tuning()->mutable_model();
  model.set_preset("smollm2-135m-instruct");
  model.set_revision("abc");
  auto& file = *plan.mutable_tuning()->mutable_data()->add_files();
  file.set_url("https://host/data.parquet?sig=SECRET");
  file.set_size_bytes(9);
  plan.mutable_placement()->set_instance_type("local");
  plan.add_notes("a note");
  return plan;
}

v1::WorkspaceObserved observed(const json& annotations = json::object()) {
  v1::WorkspaceObserved event;
  event.set_manifest_json(json{{"metadata", {{"annotations", annotations}}}}.dump());
  return event;
}
v1::TuningPlanned planned() {
  v1::TuningPlanned event;
  *event.mutable_plan() = plan();
  return event;
}
template <typename Event>
Event failed(const std::string& reason) {
  Event event;
  event.mutable_failure()->set_class_(v1::FAILURE_CLASS_PERMANENT);
  event.mutable_failure()->set_reason(reason);
  event.mutable_failure()->set_message("what to do about " + reason);
  return event;
}
v1::NodesPending pending(std::uint64_t sequence, unsigned place) {
  v1::NodesPending event;
  event.set_sequence(sequence);
  event.set_queue_position(place);
  event.mutable_waiting()->set_reason("NoFreeWorker");
  event.mutable_waiting()->set_message("1 worker, all busy");
  return event;
}
v1::NodesReady ready() {
  v1::NodesReady event;
  event.set_sequence(1);
  event.add_nodes()->set_name("host-a");
  return event;
}
v1::TuningStarted started(std::uint64_t attempt, const std::string& previous = "") {
  v1::TuningStarted event;
  event.set_attempt(attempt);
  event.set_total_steps(100);
  if (!previous.empty()) event.mutable_previous_failure()->set_reason(previous);
  return event;
}
v1::TuningProgressed progress(std::uint64_t attempt, std::uint64_t sequence,
                              const std::string& phase, std::uint64_t step) {
  v1::TuningProgressed event;
  event.set_attempt(attempt);
  event.set_sequence(sequence);
  event.set_phase(phase);
  event.set_step(step);
  event.set_total_steps(phase == "Downloading" ? 0 : 100);
  event.set_train_loss(1.5);
  return event;
}
v1::AdapterReady adapter() {
  v1::AdapterReady event;
  *event.mutable_plan() = plan();
  event.mutable_adapter()->set_sha256("ad");
  event.mutable_adapter()->set_attempt(2);
  event.mutable_result()->set_steps(100);
  event.mutable_result()->set_eval_loss_before(3.0);
  event.mutable_result()->set_eval_loss_after(0.5);
  return event;
}
v1::ImagePushed pushed() {
  v1::ImagePushed event;
  event.set_image("registry/a:1");
  event.set_digest("sha256:d");
  event.set_size_bytes(7);
  return event;
}

v1::ImagePushProgressed pushing(std::uint64_t sequence, std::uint64_t done, std::uint64_t total,
                                const std::string& waiting = "") {
  v1::ImagePushProgressed event;
  event.set_sequence(sequence);
  event.set_bytes_done(done);
  event.set_bytes_total(total);
  if (!waiting.empty()) event.mutable_waiting()->set_reason(waiting);
  return event;
}

History whole_history() {
  const At at;
  return {told(0, at, observed()),
          told(2, at, planned()),
          told(3, at, v1::PlanCleared{}),
          told(4, at, pending(1, 2), "1"),
          told(9, at, pending(2, 1), "2"),
          told(10, at, ready(), "1"),
          told(11, at, started(1), "1"),
          told(12, at, progress(1, 1, "Downloading", 0), "1/1"),
          told(15, at, progress(1, 2, "Training", 10), "1/2"),
          told(20, at, started(2, "WorkerLost"), "2"),
          told(25, at, progress(2, 1, "Training", 50), "2/1"),
          told(29, at, progress(2, 2, "Storing", 100), "2/2"),
          told(30, at, adapter()),
          told(40, at, pushed())};
}

json folded(const History& history) {
  json status;
  for (const auto& event : history) {
    auto next = fold(status, event);
    EXPECT_TRUE(next) << next.error().message;
    if (next) status = *next;
  }
  return status;
}

json condition(const json& status, const std::string& type) {
  for (const auto& condition : status.at("conditions")) {
    if (condition.at("type") == type) return condition;
  }
  return json{{"status", "absent"}};
}

// All orders of a short history, each event told once and one of them twice.
void expect_no_order(const History& history) {
  const json expected = folded(history);
  std::vector<std::size_t> order(history.size());
  std::iota(order.begin(), order.end(), 0);
  do {
    for (std::size_t twice = 0; twice < history.size(); ++twice) {
      History shuffled;
      for (const auto index : order) shuffled.push_back(history[index]);
      shuffled.push_back(history[twice]);
      ASSERT_EQ(folded(shuffled), expected);
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(StatusFold, AnAdapterInAFolderIsToldAsOne) {
  v1::ImagePushed stored;
  stored.set_path("/models/a");
  stored.set_digest("sha256:d");
  stored.set_size_bytes(7);
  const json status = folded({told(0, {}, observed()), told(1, {}, stored)});
  EXPECT_EQ(status.at("state"), "Succeeded");
  EXPECT_EQ(status.at("output").at("path"), "/models/a");
  EXPECT_FALSE(status.at("output").contains("image"));
  EXPECT_EQ(condition(status, "ImagePushed").at("message"), "the adapter is in the output folder");
  EXPECT_EQ(condition(status, "WorkspaceSucceeded").at("status"), "True");
}

TEST(StatusFold, ThePlanNamesDataInImagesAndOnVolumes) {
  v1::TuningPlanned event;
  auto& data = *event.mutable_plan()->mutable_tuning()->mutable_data();
  data.mutable_image()->set_image("r/data:v1");
  data.mutable_image()->set_digest("sha256:1");
  data.mutable_image()->add_layers()->set_size_bytes(3);
  data.mutable_image()->add_layers()->set_size_bytes(4);
  data.mutable_volume()->set_path("/data");
  data.mutable_volume()->add_files()->set_path("a.jsonl");
  const json list = folded({told(0, {}, observed()), told(1, {}, event)}).at("plan").at("data");
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0], (json{{"image", "r/data:v1"}, {"digest", "sha256:1"}, {"sizeBytes", 7}}));
  EXPECT_EQ(list[1].at("path"), "/data: a.jsonl");
}

TEST(StatusFold, TellsAWholeRun) {
  const json status = folded(whole_history());
  EXPECT_EQ(status.at("state"), "Succeeded");
  EXPECT_EQ(status.at("observedGeneration"), 1);
  EXPECT_EQ(status.at("output"), (json{{"image", "registry/a:1"},
                                       {"digest", "sha256:d"},
                                       {"sizeBytes", 7},
                                       {"pushedAt", "2026-01-31T12:00:40.000Z"}}));
  EXPECT_EQ(status.at("workerNodes"), json::array({"host-a"}));
  for (const char* type :
       {"PlanAccepted", "NodesReady", "ResourceReady", "JobStarted", "AdapterStored", "ImagePushed",
        "WorkspaceSucceeded", "WorkspaceReady"}) {
    EXPECT_EQ(condition(status, type).at("status"), "True") << type;
  }
  EXPECT_EQ(condition(status, "NodesReady").at("lastTransitionTime"), "2026-01-31T12:00:10.000Z");
  EXPECT_EQ(condition(status, "InferenceReady").at("reason"), "NotServing");
  EXPECT_EQ(condition(status, "TuningProgressing").at("status"), "False");
  const json& tuning = status.at("tuning");
  EXPECT_EQ(tuning.at("attempt"), 2);
  EXPECT_EQ(tuning.at("evalLossBefore"), 3.0);
  EXPECT_EQ(tuning.at("evalLoss"), 0.5);
  EXPECT_EQ(tuning.at("step"), 100);
  EXPECT_EQ(tuning.at("tuningKey"), "key");
  EXPECT_EQ(tuning.at("adapterDigest"), "sha256:ad");
  std::string stages;
  for (const auto& stage : status.at("stages")) {
    stages += stage.at("name").get<std::string>() + " " +
              stage.at("startedAt").get<std::string>().substr(17, 2) + "-" +
              stage.at("finishedAt").get<std::string>().substr(17, 2) + " ";
  }
  EXPECT_EQ(stages,
            "Planning 00-02 CheckingOutput 02-03 Waiting 03-10 Downloading 11-15 Training 15-29 "
            "Storing 29-30 Pushing 30-40 ");
  ASSERT_EQ(status.at("incidents").size(), 1u);
  EXPECT_EQ(status.at("incidents")[0].at("reason"), "WorkerLost");
  EXPECT_EQ(status.at("plan").at("data")[0].at("url"), "https://host/data.parquet");
  EXPECT_EQ(status.dump().find("SECRET"), std::string::npos);
  EXPECT_FALSE(status.contains("waiting"));
  EXPECT_FALSE(status.contains("failure"));
}

TEST(StatusFold, SaysWhatIsWaitedFor) {
  const auto history = whole_history();
  const json status = folded(History(history.begin(), history.begin() + 5));
  EXPECT_EQ(status.at("state"), "Pending");
  EXPECT_EQ(status.at("waiting").at("reason"), "NoFreeWorker");
  EXPECT_EQ(status.at("waiting").at("queuePosition"), 1);
  EXPECT_EQ(status.at("waiting").at("since"), "2026-01-31T12:00:04.000Z");
  EXPECT_EQ(condition(status, "NodesReady").at("status"), "False");
}

TEST(StatusFold, WhatADownloadWaitsForIsOverWithTheNextProgress) {
  const At at;
  auto cut = progress(1, 2, "Downloading", 0);
  cut.mutable_waiting()->set_reason("ConnectionLost");
  const History history = {told(0, at, observed()), told(2, at, planned()),
                           told(12, at, progress(1, 1, "Downloading", 0), "1/1"),
                           told(14, at, cut, "1/2"),
                           told(20, at, progress(1, 3, "Downloading", 0), "1/3")};
  expect_no_order(history);
  EXPECT_EQ(folded({history.begin(), history.begin() + 4}).at("waiting").at("reason"),
            "ConnectionLost");
  EXPECT_FALSE(folded(history).contains("waiting"));
}

TEST(StatusFold, WhatTheCheckOfTheOutputWaitedForIsOverWithThePlanCleared) {
  const At at;
  const History history = {told(0, at, observed()), told(2, at, planned()),
                           told(3, at, pushing(1000, 0, 0, "SecretMissing"), "1000"),
                           told(9, at, v1::PlanCleared{}), told(30, at, adapter())};
  expect_no_order(history);
  EXPECT_EQ(folded({history.begin(), history.begin() + 3}).at("waiting").at("reason"),
            "SecretMissing");
  EXPECT_FALSE(folded({history.begin(), history.begin() + 4}).contains("waiting"));
  EXPECT_FALSE(folded(history).contains("waiting"));
  History on = history;
  on.push_back(told(31, at, pushing(1'000'001, 0, 0, "RegistryUnavailable"), "1000001"));
  EXPECT_EQ(folded(on).at("waiting").at("reason"), "RegistryUnavailable");
  // Looked at again, the output is checked again.
  History again = {history.begin(), history.begin() + 4};
  again.push_back(told(70, {.pass = 70}, pushing(1000, 0, 0, "SecretMissing"), "1000"));
  EXPECT_EQ(folded(again).at("waiting").at("reason"), "SecretMissing");
  again.push_back(told(71, {.pass = 70}, v1::PlanCleared{}));
  EXPECT_FALSE(folded(again).contains("waiting"));
}

TEST(StatusFold, WhatThePlannerWaitsForIsShownUntilItHasPlanned) {
  const auto waits = [](std::uint64_t sequence, const char* reason) {
    v1::PlanPending event;
    event.set_sequence(sequence);
    event.mutable_waiting()->set_reason(reason);
    return event;
  };
  const At again{.pass = 100};
  const History history = {told(0, {}, observed()),
                           told(3, {}, waits(10'001, "ModelHubUnavailable"), "10001"),
                           told(9, {}, waits(10'002, "DataHostUnavailable"), "10002"),
                           told(60, again, observed(), kAgain), told(90, {}, planned())};
  expect_no_order(history);
  const json waiting = folded({history.begin(), history.begin() + 4});
  EXPECT_EQ(waiting.at("waiting").at("reason"), "DataHostUnavailable");
  EXPECT_EQ(waiting.at("waiting").at("since"), "2026-01-31T12:00:03.000Z");
  EXPECT_FALSE(folded(history).contains("waiting"));
  EXPECT_FALSE(folded({history[1], told(20, {}, failed<v1::PlanRejected>("ModelNotFound"))})
                   .contains("waiting"));
  EXPECT_FALSE(folded({history[1], told(20, {.pass = 20}, observed())}).contains("waiting"));
}

TEST(StatusFold, AStuckCleanupIsACondition) {
  v1::NodesPending stuck;
  stuck.set_sequence(1);
  stuck.mutable_waiting()->set_reason("CleanupStuck");
  stuck.mutable_waiting()->set_message("left: the lease of worker-1");
  // The queue spoke in a later pass and with a higher number.
  const History history = {told(0, {.pass = 100}, pending(7, 2), "7"),
                           told(5, {}, v1::WorkspaceDeleted{}),
                           told(700, {}, stuck, "cleanup-stuck-LeaseHeld"),
                           told(1400, {}, stuck, "cleanup-stuck-LeaseHeld")};
  expect_no_order(history);
  const json shown = condition(folded(history), "CleanupStuck");
  EXPECT_EQ(shown.at("status"), "True");
  EXPECT_EQ(shown.at("message"), "left: the lease of worker-1");
  EXPECT_EQ(shown.at("lastTransitionTime"), "2026-01-31T12:11:40.000Z");
}

TEST(StatusFold, ThePushDoesNotShowTheDownloadsBytes) {
  const At at;
  auto downloading = progress(1, 1, "Downloading", 0);
  downloading.set_bytes_done(260);
  downloading.set_bytes_total(260);
  History history = {told(11, at, started(1), "1"), told(12, at, downloading, "1/1")};
  EXPECT_EQ(folded(history).at("tuning").at("bytesTotal"), 260);
  history.push_back(told(30, at, adapter()));
  EXPECT_EQ(folded(history).at("tuning").at("phase"), "Pushing");
  EXPECT_FALSE(folded(history).at("tuning").contains("bytesDone"));
  EXPECT_FALSE(folded(history).at("tuning").contains("bytesTotal"));
  history.push_back(told(31, at, pushing(1'000'001, 3, 20), "1000001"));
  EXPECT_EQ(folded(history).at("tuning").at("bytesDone"), 3);
  EXPECT_EQ(folded(history).at("tuning").at("bytesTotal"), 20);
  expect_no_order(history);
}

TEST(StatusFold, ANewAttemptDoesNotShowTheOldOnesProgress) {
  const auto history = whole_history();
  const json status = folded(History(history.begin(), history.begin() + 10));
  EXPECT_EQ(status.at("state"), "Running");
  EXPECT_EQ(status.at("tuning").at("attempt"), 2);
  EXPECT_FALSE(status.at("tuning").contains("step"));
}

TEST(StatusFold, AWholeRunInAnyOrder) {
  History history = whole_history();
  const json expected = folded(history);
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    std::shuffle(history.begin(), history.end(), random);
    History twice = history;
    twice.insert(twice.end(), history.begin(), history.begin() + 4);
    ASSERT_EQ(folded(twice), expected);
  }
}

TEST(StatusFold, ShortHistoriesInEveryOrder) {
  const At at;
  expect_no_order({told(0, at, observed()), told(2, at, planned()),
                   told(3, at, failed<v1::PlanRejected>("PushDenied")),
                   told(4, at, pending(1, 2), "1"), told(5, at, ready(), "1")});
  expect_no_order({told(10, at, ready(), "1"), told(11, at, started(1), "1"),
                   told(15, at, progress(1, 2, "Training", 10), "1/2"),
                   told(16, at, progress(1, 3, "Training", 20), "1/3"),
                   told(20, at, started(2, "WorkerLost"), "2")});
}

TEST(StatusFold, PassesInEveryOrder) {
  const At again{.pass = 100};
  const At retried{.pass = 200};
  const History history = {told(0, {}, observed()),
                           told(3, {}, failed<v1::PlanRejected>("DataNotFound")),
                           told(60, again, observed(), kAgain),
                           told(62, again, failed<v1::PlanRejected>("DataNotFound")),
                           told(90, retried, observed({{"tunesmith.dev/retry", "1"}}))};
  expect_no_order(history);
  EXPECT_EQ(folded({history.begin(), history.begin() + 4}).at("state"), "Failed");
  // The retry makes the old refusal history at once.
  const json status = folded(history);
  EXPECT_EQ(status.at("state"), "Pending");
  EXPECT_EQ(condition(status, "PlanAccepted").at("status"), "absent");
  EXPECT_FALSE(status.contains("failure"));
  History on = history;
  on.push_back(told(91, retried, planned()));
  EXPECT_EQ(condition(folded(on), "PlanAccepted").at("status"), "True");
}

TEST(StatusFold, LookingAgainDoesNotExcuseAFailure) {
  const History history = {told(0, {}, observed()), told(2, {}, planned()),
                           told(9, {}, failed<v1::TuningFailed>("OutOfMemory")),
                           told(80, {.pass = 100}, observed(), kAgain),
                           told(81, {.pass = 100}, planned())};
  EXPECT_EQ(folded(history).at("failure").at("reason"), "OutOfMemory");
  expect_no_order(history);
}

TEST(StatusFold, ALaterGenerationBeginsAnewInEveryOrder) {
  const At first;
  const At second{.generation = 2};
  const History history = {
      told(0, first, observed()), told(3, first, failed<v1::PlanRejected>("DataNotFound")),
      told(9, second, observed()), told(10, second, planned()), told(11, first, pushed())};
  expect_no_order(history);
  const json status = folded(history);
  EXPECT_EQ(status.at("observedGeneration"), 2);
  EXPECT_EQ(status.at("state"), "Pending");
  EXPECT_FALSE(status.contains("output"));
}

TEST(StatusFold, SuccessStays) {
  History history = whole_history();
  history.push_back(told(50, {}, failed<v1::TuningFailed>("Late")));
  history.push_back(told(51, {.pass = 9}, failed<v1::ImagePushFailed>("PushDenied")));
  const json status = folded(history);
  EXPECT_EQ(status.at("state"), "Succeeded");
  EXPECT_FALSE(status.contains("failure"));
}

// A retry of a Workspace that succeeded: the user asked for it, so its failure is told. The image
// is still there.
TEST(StatusFold, ARetryAfterSuccessThatFailsIsToldInEveryOrder) {
  const At retried{.pass = 200};
  const History end = {told(0, {}, observed()), told(40, {}, pushed()),
                       told(50, retried, observed({{"tunesmith.dev/retry", "1"}})),
                       told(51, retried, failed<v1::PlanRejected>("PushDenied"))};
  expect_no_order(end);
  const json status = folded(end);
  EXPECT_EQ(status.at("state"), "Failed");
  EXPECT_EQ(status.at("failure").at("reason"), "PushDenied");
  EXPECT_EQ(status.at("output").at("digest"), "sha256:d");
  EXPECT_EQ(condition(status, "WorkspaceSucceeded").at("status"), "False");
  EXPECT_EQ(condition(status, "WorkspaceReady").at("status"), "True");
  EXPECT_EQ(folded({end[0], end[1], end[2]}).at("state"), "Succeeded");
  // The next retry mends it.
  History mended = end;
  mended.push_back(told(60, {.pass = 300}, observed({{"tunesmith.dev/retry", "2"}})));
  EXPECT_EQ(folded(mended).at("state"), "Succeeded");
  mended.push_back(told(61, {.pass = 300}, pushed()));
  EXPECT_EQ(folded(mended).at("state"), "Succeeded");
  expect_no_order(mended);
  // A push that ended after the refusal is the truth.
  EXPECT_EQ(folded({end[0], told(55, {}, pushed()), end[2], end[3]}).at("state"), "Succeeded");
}

TEST(StatusFold, AnotherObjectOfTheSameNameBeginsAnew) {
  auto other = told(60, {}, observed());
  v1::WorkspaceObserved event;
  ASSERT_TRUE(event.ParseFromString(other.payload));
  event.mutable_workspace()->set_uid("u2");
  other.payload = event.SerializeAsString();
  const auto status = fold(folded(whole_history()), other);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->at("state"), "Pending");
}

TEST(StatusFold, SuspensionAndDeletionAreShown) {
  const json suspended = folded({told(0, {}, observed({{"tunesmith.dev/suspend", "true"}}))});
  EXPECT_EQ(suspended.at("waiting").at("reason"), "Suspended");
  EXPECT_NE(suspended.at("observedAnnotations"), "");
  const json deleting = folded({told(0, {}, observed()), told(5, {}, v1::WorkspaceDeleted{})});
  EXPECT_EQ(condition(deleting, "WorkspaceDeleting").at("status"), "True");
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

TEST(StatusRender, WhatPeopleDoNotSeeIsNoNews) {
  const json one = {{"a", 1}, {"facts", {{"x", 1}}}, {"z", {1, 2}}};
  json other = one;
  other["facts"] = "others";
  EXPECT_TRUE(same_to_people(one, other));
  other.erase("facts");
  EXPECT_TRUE(same_to_people(one, other));
  EXPECT_TRUE(same_to_people(other, one));
  other["z"] = {1, 3};
  EXPECT_FALSE(same_to_people(one, other));
  other = one;
  other["zz"] = 1;
  EXPECT_FALSE(same_to_people(one, other));
  EXPECT_FALSE(same_to_people(other, one));
  EXPECT_FALSE(same_to_people(nullptr, one));
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
