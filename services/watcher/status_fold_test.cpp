// What the status tells of a run: its plan, what it waits for, how far it is.
#include "watcher/status_history.h"
#include "watcher/status_render.h"

namespace tunesmith::watcher {
namespace {

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

TEST(StatusFold, SaysWhatIsWaitedFor) {
  const auto history = whole_history();
  const json status = folded(History(history.begin(), history.begin() + 5));
  EXPECT_EQ(status.at("state"), "Pending");
  EXPECT_EQ(status.at("waiting").at("reason"), "NoFreeWorker");
  EXPECT_EQ(status.at("waiting").at("queuePosition"), 1);
  EXPECT_EQ(status.at("waiting").at("since"), "2026-01-31T12:00:04.000Z");
  EXPECT_EQ(condition(status, "NodesReady").at("status"), "False");
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

TEST(StatusFold, ANewAttemptDoesNotShowTheOldOnesProgress) {
  const auto history = whole_history();
  const json status = folded(History(history.begin(), history.begin() + 10));
  EXPECT_EQ(status.at("state"), "Running");
  EXPECT_EQ(status.at("tuning").at("attempt"), 2);
  EXPECT_FALSE(status.at("tuning").contains("step"));
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

TEST(StatusFold, SuspensionAndDeletionAreShown) {
  const json suspended = folded({told(0, {}, observed({{"tunesmith.dev/suspend", "true"}}))});
  EXPECT_EQ(suspended.at("waiting").at("reason"), "Suspended");
  EXPECT_NE(suspended.at("observedAnnotations"), "");
  const json deleting = folded({told(0, {}, observed()), told(5, {}, v1::WorkspaceDeleted{})});
  EXPECT_EQ(condition(deleting, "WorkspaceDeleting").at("status"), "True");
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

}  // namespace
}  // namespace tunesmith::watcher
