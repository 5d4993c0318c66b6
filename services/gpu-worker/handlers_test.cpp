// The worker's promises with a scripted engine (a shell script that speaks the engine's JSON lines)
// and an in-memory bus.
#include "handlers.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "bus/current.h"
#include "bus/results.h"
#include "fakes/memory_bus.h"
#include "temp_folder.h"

namespace tunesmith::gpu_worker {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Kind = bus::Disposition::Kind;

constexpr const char* kFinish = R"(
out=$(dirname "$2")/output/adapter; mkdir -p "$out"
echo '{}' > "$out/adapter_config.json"; echo weights > "$out/adapter_model.safetensors"
echo '{"event":"started","total_steps":4,"resumed_step":0}'
echo '{"event":"eval","step":0,"loss":3.0}'
echo '{"event":"progress","step":4,"total_steps":4,"loss":0.5}'
echo '{"event":"finished","steps":4,"train_loss":0.5,"eval_loss_before":3.0,"eval_loss_after":0.4,"adapter_dir":"'$out'","seconds":1,"tokens":10,"peak_memory_bytes":5}'
)";

class HandlersTest : public testing::Test {
 protected:
  void SetUp() override {
    options.node = "node1";
    options.engine = folder / "engine";
    options.cache_dir = folder / "cache";
    options.work_dir = folder / "work";
    options.lease_times = {.duration = 400ms, .renew_every = 100ms};
    options.attempt_backoff = {.first = 1ms, .most = 5ms};
    ASSERT_TRUE(
        current.put("u", bus::to_json(bus::Current{.generation = 1, .annotations_hash = ""}))
            .has_value());
  }

  void engine(const std::string& body) const {
    std::ofstream(options.engine) << "#!/bin/sh\n" << body;
    chmod(options.engine.c_str(), 0755);
  }

  bus::IncomingEvent nodes_ready() const {
    events::v1::NodesReady event;
    event.mutable_workspace()->set_uid("u");
    event.mutable_workspace()->set_name("w");
    event.mutable_workspace()->set_generation(1);
    event.mutable_plan()->set_tuning_key("key");
    return fakes::delivered(bus::make_event(event, "1"));
  }

  bus::Disposition handle(std::stop_token stop = {}) {
    return Handlers(parts, log).on_nodes_ready(nodes_ready(), stop);
  }

  testing_support::TempFolder temporary;
  const fs::path folder = temporary.path();
  WorkerOptions options;
  fakes::RecordingPublisher publisher;
  fakes::MemoryKeyValue current, leases, results;
  fakes::MemoryObjectStore objects;
  fakes::MemoryLogStream logs;
  SystemClock clock;
  Log log = Log::silent();
  HttpClient http{HttpClientOptions{}};
  FileCache files{"no-plan-here-names-a-file", http, clock, log, FetchLimits{}};
  ImageData images{"no-plan-here-names-an-image", {}, http, clock, FetchLimits{}};
  prometheus::Registry registry;
  Metrics metrics{registry};
  WorkerParts parts{publisher, current, leases, results, objects, logs,   files,
                    files,     files,   images, clock,   metrics, options};
};

TEST_F(HandlersTest, TrainsStoresAcceptsAndAnnounces) {
  engine(kFinish);
  EXPECT_EQ(handle().kind, Kind::kDone);
  const auto ready = publisher.all<events::v1::AdapterReady>();
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_DOUBLE_EQ(ready[0].result().eval_loss_after(), 0.4);
  EXPECT_TRUE(objects.bytes("ws-u", ready[0].adapter().name()).has_value());
  EXPECT_TRUE(results.value("u.key").has_value());
  EXPECT_FALSE(fs::exists(options.work_dir / "u"));  // nothing is left on the node
  auto lease = bus::read_lease(leases, "u");
  ASSERT_TRUE(lease && *lease);
  EXPECT_TRUE((*lease)->released);
}

TEST_F(HandlersTest, ASecretThatStaysAwayEndsTheRunUnderItsName) {
  engine(kFinish);
  options.secrets_dir = folder / "secrets";
  options.secret_limit = 0ms;
  events::v1::NodesReady event;
  event.ParseFromString(nodes_ready().payload);
  auto& file = *event.mutable_plan()->mutable_tuning()->mutable_data()->add_files();
  file.set_url("https://data.example.org/a.jsonl");
  file.set_secret("data");
  event.mutable_workspace()->set_namespace_("team");
  Handlers(parts, log).on_nodes_ready(fakes::delivered(bus::make_event(event, "1")), {});
  const auto failed = publisher.all<events::v1::TuningFailed>();
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].failure().reason(), "SecretMissing");
  EXPECT_NE(failed[0].failure().message().find("team/data"), std::string::npos);
}

TEST_F(HandlersTest, WhatAgentAndEngineSayIsPublishedUnderTheUid) {
  engine("echo out of luck >&2; echo half >&2; printf whole >&2; exit 7");
  options.attempts_without_checkpoint = 2;
  handle();
  std::string all;
  for (const auto& line : logs.lines("u")) {
    EXPECT_FALSE(line.time.empty());
    all += std::to_string(line.attempt) + " " + line.source + " " + line.text + "\n";
  }
  for (const char* part : {"1 agent attempt begins", "1 engine out of luck", "1 engine whole",
                           "1 agent warning: attempt failed", "2 engine out of luck"}) {
    EXPECT_NE(all.find(part), std::string::npos) << part << " in\n" << all;
  }
}

TEST_F(HandlersTest, AnAcceptedResultIsAnnouncedAgainWithoutTraining) {
  engine(kFinish);
  handle();
  publisher.clear();
  engine("exit 9");
  EXPECT_EQ(handle().kind, Kind::kDone);
  ASSERT_EQ(publisher.all<events::v1::AdapterReady>().size(), 1u);
  EXPECT_EQ(publisher.all<events::v1::AdapterReady>()[0].plan().tuning_key(), "key");
}

TEST_F(HandlersTest, ACrashedEngineGoesOnFromItsCheckpointAndTheNextStartSaysWhy) {
  engine(std::string(R"sh(
if ! grep -q resume.safetensors "$2"; then
  echo '{"event":"started","total_steps":4,"resumed_step":0}'
  echo state > "$(dirname "$2")/output/c"
  echo '{"event":"checkpoint","step":2,"path":"'$(dirname "$2")/output/c'"}'
  kill -9 $$
fi
[ "$(cat "$(dirname "$2")/resume.safetensors")" = state ] || exit 3
)sh") + kFinish);
  EXPECT_EQ(handle().kind, Kind::kDone);
  ASSERT_EQ(publisher.all<events::v1::AdapterReady>().size(), 1u);
  EXPECT_EQ(publisher.all<events::v1::AdapterReady>()[0].adapter().attempt(), 2u);
  const auto starts = publisher.all<events::v1::TuningStarted>();
  ASSERT_EQ(starts.size(), 2u);
  EXPECT_EQ(starts[1].previous_failure().reason(), "EngineKilled");
  EXPECT_EQ(objects.list("ws-u")->size(), 1u);  // the adapter; the checkpoints are gone
}

TEST_F(HandlersTest, ThreeAttemptsWithoutACheckpointFailForGood) {
  engine("echo run >> " + (folder / "runs").string() + "; echo out of luck >&2; exit 7");
  EXPECT_EQ(handle().kind, Kind::kDone);
  const auto failed = publisher.all<events::v1::TuningFailed>();
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].failure().reason(), "EngineCrashed");
  EXPECT_NE(failed[0].failure().message().find("out of luck"), std::string::npos);
  EXPECT_EQ(fs::file_size(folder / "runs"), 3 * std::string("run\n").size());
}

TEST_F(HandlersTest, APermanentFailureOfTheEngineIsNotTriedAgain) {
  engine(R"(echo run >> )" + (folder / "runs").string() + R"(
echo '{"event":"failed","class":"Permanent","reason":"NoTrainableTokens","message":"nothing to learn"}'; exit 1)");
  EXPECT_EQ(handle().kind, Kind::kDone);
  const auto failed = publisher.all<events::v1::TuningFailed>();
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].failure().reason(), "NoTrainableTokens");
  EXPECT_EQ(fs::file_size(folder / "runs"), std::string("run\n").size());
}

TEST_F(HandlersTest, AnEngineThatSaysNothingIsEndedAndItsRankNamed) {
  engine("exec sleep 1000");
  options.engine_silence = 50ms;
  options.silent_steps = 1;
  EXPECT_EQ(handle().kind, bus::Disposition::Kind::kDone);
  const auto failed = publisher.all<events::v1::TuningFailed>();
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].failure().reason(), "EngineStuck");
  EXPECT_NE(failed[0].failure().message().find("rank 0"), std::string::npos);
}

TEST_F(HandlersTest, ADeletionInTheMiddleEndsTheEngineAndSaysNothing) {
  engine("echo $$ > " + (folder / "pid").string() +
         R"(; echo '{"event":"started","total_steps":4,"resumed_step":0}'; sleep 600)");
  std::jthread deleter([&] {
    publisher.wait_for<events::v1::TuningStarted>(1);
    (void)current.put(
        "u", bus::to_json(bus::Current{.generation = 1, .annotations_hash = "", .deleting = true}));
  });
  EXPECT_EQ(handle().kind, Kind::kDone);
  EXPECT_TRUE(publisher.all<events::v1::AdapterReady>().empty());
  EXPECT_TRUE(publisher.all<events::v1::TuningFailed>().empty());
  std::ifstream in(folder / "pid");
  pid_t pid = 0;
  in >> pid;
  EXPECT_NE(kill(pid, 0), 0);
}

TEST_F(HandlersTest, AStoppingServiceHandsTheWorkBack) {
  engine(R"(echo '{"event":"started","total_steps":4,"resumed_step":0}'; sleep 600)");
  std::stop_source stop;
  std::jthread stopper([&] {
    publisher.wait_for<events::v1::TuningStarted>(1);
    stop.request_stop();
  });
  EXPECT_EQ(handle(stop.get_token()).kind, Kind::kHandBack);
  auto lease = bus::read_lease(leases, "u");
  ASSERT_TRUE(lease && *lease);
  EXPECT_TRUE((*lease)->released);  // the next worker need not wait for its expiry
}

TEST_F(HandlersTest, ALateResultIsDroppedForTheAcceptedOne) {
  // The engine takes so long that somebody else's result is accepted meanwhile.
  engine(R"(echo '{"event":"started","total_steps":4,"resumed_step":0}'
while [ ! -e )" +
         (folder / "go").string() + " ]; do sleep 0.05; done" + kFinish);
  events::v1::AdapterReady other;
  other.mutable_workspace()->set_uid("u");
  other.mutable_adapter()->set_name("adapter/key/99");
  std::jthread rival([&] {
    publisher.wait_for<events::v1::TuningStarted>(1);
    (void)results.create("u.key", bus::encode_result(other));
    std::ofstream(folder / "go") << "go";
  });
  EXPECT_EQ(handle().kind, Kind::kDone);
  const auto ready = publisher.all<events::v1::AdapterReady>();
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].adapter().name(), "adapter/key/99");
}

TEST_F(HandlersTest, AWorkerThatDiedIsToldOf) {
  engine(kFinish);
  {
    auto dead = bus::acquire_lease(leases, "u", "node0/7", options.lease_times, clock, log, 1s, {});
    ASSERT_TRUE(dead.has_value());
  }  // ends without giving the lease back
  EXPECT_EQ(handle().kind, Kind::kDone);
  const auto starts = publisher.all<events::v1::TuningStarted>();
  ASSERT_EQ(starts.size(), 1u);
  EXPECT_EQ(starts[0].attempt(), 2u);
  EXPECT_EQ(starts[0].previous_failure().reason(), "WorkerLost");
  EXPECT_NE(starts[0].previous_failure().message().find("node0/7"), std::string::npos);
}

TEST_F(HandlersTest, ABusThatIsAwayIsWaitedForAndFailsNothing) {
  engine(kFinish);
  leases.fail_next({FailureClass::kTransient, "BusUnavailable", "away"}, 4);
  EXPECT_EQ(handle().kind, Kind::kDone);
  EXPECT_EQ(publisher.all<events::v1::AdapterReady>().size(), 1u);
  EXPECT_TRUE(publisher.all<events::v1::TuningFailed>().empty());
}

// An object store that has no room for the next objects.
class FullStore final : public bus::ObjectStore {
 public:
  FullStore(bus::ObjectStore& inner, int refusals) : inner_(inner), refusals_(refusals) {}
  Result<void> create_bucket(const std::string& bucket, std::uint64_t quota_bytes) override {
    return inner_.create_bucket(bucket, quota_bytes);
  }
  Result<void> delete_bucket(const std::string& bucket) override {
    return inner_.delete_bucket(bucket);
  }
  Result<std::vector<std::string>> buckets() override { return inner_.buckets(); }
  Result<bus::ObjectInfo> put_file(const std::string& bucket, const std::string& name,
                                   const fs::path& file, std::stop_token stop) override {
    if (refusals_-- > 0) return transient("StorageFull", "JetStream is full");
    return inner_.put_file(bucket, name, file, std::move(stop));
  }
  Result<bus::ObjectInfo> get_file(const std::string& bucket, const std::string& name,
                                   const fs::path& file, std::stop_token stop) override {
    return inner_.get_file(bucket, name, file, std::move(stop));
  }
  Result<std::optional<bus::ObjectInfo>> info(const std::string& bucket,
                                              const std::string& name) override {
    return inner_.info(bucket, name);
  }
  Result<std::vector<bus::ObjectInfo>> list(const std::string& bucket) override {
    return inner_.list(bucket);
  }
  Result<void> remove(const std::string& bucket, const std::string& name) override {
    return inner_.remove(bucket, name);
  }

 private:
  bus::ObjectStore& inner_;
  int refusals_;
};

// Promise: the status says so while it lasts, and nothing is trained again.
TEST_F(HandlersTest, AFullStoreIsWaitedForHoweverLongAndTold) {
  engine("echo run >> " + (folder / "runs").string() + "\n" + kFinish);
  options.progress_times = {.at_most_every = 0ms, .at_least_every = 30s};
  FullStore full(objects, 7);
  const WorkerParts tight{publisher, current, leases, results, full,    logs,   files,
                          files,     files,   images, clock,   metrics, options};
  EXPECT_EQ(Handlers(tight, log).on_nodes_ready(nodes_ready(), {}).kind, Kind::kDone);
  EXPECT_EQ(publisher.all<events::v1::AdapterReady>().size(), 1u);
  EXPECT_EQ(fs::file_size(folder / "runs"), std::string("run\n").size());
  const auto told = publisher.all<events::v1::TuningProgressed>();
  EXPECT_TRUE(std::any_of(told.begin(), told.end(), [](const auto& progress) {
    return progress.waiting().reason() == "StorageFull";
  }));
}

TEST_F(HandlersTest, AFullDiskUnderTheEngineIsTriedAgainHoweverOften) {
  engine("echo run >> " + (folder / "runs").string() + R"sh(
if [ $(wc -l < )sh" +
         (folder / "runs").string() + R"sh() -lt 6 ]; then
  echo '{"event":"failed","class":"Transient","reason":"DiskFull","message":"no space left"}'
  exit 1
fi
)sh" + kFinish);
  options.progress_times = {.at_most_every = 0ms, .at_least_every = 30s};
  EXPECT_EQ(handle().kind, Kind::kDone);
  EXPECT_EQ(publisher.all<events::v1::AdapterReady>().size(), 1u);
  EXPECT_TRUE(publisher.all<events::v1::TuningFailed>().empty());
  const auto told = publisher.all<events::v1::TuningProgressed>();
  EXPECT_TRUE(std::any_of(told.begin(), told.end(), [](const auto& progress) {
    return progress.waiting().reason() == "DiskFull";
  }));
}

TEST_F(HandlersTest, ALeaseHeldElsewhereIsLeftAlone) {
  engine(kFinish);
  options.lease_times = {.duration = 200ms, .renew_every = 50ms};
  fakes::MemoryKeyValue& bucket = leases;
  auto held = bus::acquire_lease(bucket, "u", "rival", {.duration = 200ms, .renew_every = 50ms},
                                 clock, log, 1s, {});
  ASSERT_TRUE(held.has_value());
  EXPECT_EQ(handle().kind, Kind::kDone);
  EXPECT_TRUE(publisher.all<events::v1::AdapterReady>().empty());
}

TEST_F(HandlersTest, AnOutdatedGenerationAndGarbageAreNotWorkedOn) {
  engine(kFinish);
  ASSERT_TRUE(current.put("u", bus::to_json(bus::Current{.generation = 2, .annotations_hash = ""}))
                  .has_value());
  EXPECT_EQ(handle().kind, Kind::kDone);
  EXPECT_TRUE(publisher.published().empty());
  auto garbage = nodes_ready();
  garbage.payload = "\xff\xff";
  EXPECT_EQ(Handlers(parts, log).on_nodes_ready(garbage, {}).kind, Kind::kDead);
}

}  // namespace
}  // namespace tunesmith::gpu_worker
