// The handlers with the bus in memory and the registry a real one.
#include "image-builder/handlers.h"

#include <gmock/gmock.h>

#include <fstream>
#include <optional>
#include <thread>

#include "fakes/memory_bus.h"
#include "image-builder/testing/adapter_archive.h"
#include "registry/docker_registry.h"
#include "registry/unavailable_server.h"
#include "runtime/retry.h"
#include "runtime/sha256.h"
#include "runtime/text.h"
#include "temp_folder.h"

namespace tunesmith::image_builder {
namespace {

using namespace std::chrono_literals;
using bus::Disposition;
using testing::HasSubstr;
using testing_support::DockerRegistry;
namespace v1 = events::v1;

const testing_support::RegistryUser kUser{"demo", "s3cret"};
constexpr const char* kUid = "uid-1";

bus::Current generation(std::int64_t number, bool deleting = false, bool suspended = false) {
  bus::Current current;
  current.generation = number;
  current.deleting = deleting;
  current.suspended = suspended;
  return current;
}

// Calls somebody before an object is read.
struct InterruptedStore : fakes::MemoryObjectStore {
  std::function<void()> before_next_get;
  Result<bus::ObjectInfo> get_file(const std::string& bucket, const std::string& name,
                                   const std::filesystem::path& file,
                                   std::stop_token stop) override {
    if (const auto call = std::exchange(before_next_get, nullptr)) call();
    return MemoryObjectStore::get_file(bucket, name, file, std::move(stop));
  }
};

class HandlersTest : public testing::Test {
 protected:
  HandlersTest() {
    options_.secrets_dir = folder_.path() / "secrets";
    options_.work_dir = folder_.path() / "work";
    std::filesystem::create_directories(options_.work_dir);
    options_.registry.backoff.first = 10ms;
    options_.registry.backoff.most = 100ms;
    options_.check_limit = 60s;
    options_.progress_every = 0ms;
    write_secret(kUser.password);
    set_current(generation(1));
    plan_.set_tuning_key(std::string(64, 'a'));
    plan_.mutable_tuning()->mutable_model()->set_preset("smollm2-135m-instruct");
    plan_.mutable_output()->set_image(registry_.host() + "/team/adapter:v1");
    plan_.mutable_output()->set_image_push_secret("push");
    options_.registry.insecure_registries.insert(registry_.host());
  }

  void write_secret(const std::string& password) {
    std::filesystem::create_directories(options_.secrets_dir / "default");
    ASSERT_TRUE(write_file(options_.secrets_dir / "default/push",
                           R"({"auths":{")" + registry_.host() + R"(":{"auth":")" +
                               base64_encode(kUser.name + ":" + password) + R"("}}})",
                           0600));
  }
  void set_current(const bus::Current& current) {
    ASSERT_TRUE(current_.put(kUid, bus::to_json(current)));
  }
  void store_adapter(unsigned seed = 1) {
    const std::string tar = tar_of({{"adapter_config.json", kAdapterConfig},
                                    {"adapter_model.safetensors", safetensors_of(200'000, seed)}});
    objects_.put_bytes("ws-uid-1", "adapter/a/1", tar);
    adapter_.set_bucket("ws-uid-1");
    adapter_.set_name("adapter/a/1");
    adapter_.set_size_bytes(tar.size());
    adapter_.set_sha256(sha256_hex(tar));
  }
  v1::WorkspaceRef workspace(std::int64_t pass) {
    v1::WorkspaceRef ref;
    ref.set_uid(kUid);
    ref.set_namespace_("default");
    ref.set_name("demo");
    ref.set_generation(1);
    ref.set_pass(pass);
    return ref;
  }
  Disposition::Kind plan(std::int64_t pass = 0) {
    v1::TuningPlanned event;
    *event.mutable_workspace() = workspace(pass);
    *event.mutable_plan() = plan_;
    return until_settled(&Handlers::on_tuning_planned, fakes::delivered(bus::make_event(event)));
  }
  Disposition::Kind ready(std::int64_t pass = 0) {
    v1::AdapterReady event;
    *event.mutable_workspace() = workspace(pass);
    *event.mutable_plan() = plan_;
    *event.mutable_adapter() = adapter_;
    return until_settled(&Handlers::on_adapter_ready, fakes::delivered(bus::make_event(event)));
  }
  Handlers& handlers() {
    if (!handlers_) {
      handlers_.emplace(options_, Handlers::World{http_, published_, current_, objects_, clock_,
                                                  metrics_, Log::silent()});
    }
    return *handlers_;
  }
  // As the consumer does it: an event that waits for the world is tried again.
  Disposition::Kind until_settled(Disposition (Handlers::*handle)(const bus::IncomingEvent&,
                                                                  std::stop_token),
                                  const bus::IncomingEvent& event) {
    while (true) {
      const auto said = (handlers().*handle)(event, stop_.get_token());
      if (said.kind != Disposition::Kind::kRetry || said.delay > 1s) return said.kind;
      wait_for(said.delay, stop_.get_token());
    }
  }
  template <typename Event>
  v1::Failure only_failure() {
    const auto events = published_.all<Event>();
    EXPECT_EQ(events.size(), 1u);
    return events.empty() ? v1::Failure() : events[0].failure();
  }

  testing_support::TempFolder folder_;
  DockerRegistry registry_{{.user = kUser}};
  BuilderOptions options_;
  v1::Plan plan_;
  v1::AdapterObject adapter_;
  HttpClient http_{HttpClientOptions{}};
  fakes::RecordingPublisher published_;
  fakes::MemoryKeyValue current_;
  InterruptedStore objects_;
  SystemClock clock_;
  prometheus::Registry registry_of_metrics_;
  Metrics metrics_{registry_of_metrics_};
  std::stop_source stop_;
  std::optional<Handlers> handlers_;
};

TEST_F(HandlersTest, WritableOutputClearsThePlan) {
  EXPECT_EQ(plan(), Disposition::Kind::kDone);
  const auto cleared = published_.all<v1::PlanCleared>();
  ASSERT_EQ(cleared.size(), 1u);
  EXPECT_EQ(cleared[0].plan().SerializeAsString(), plan_.SerializeAsString());
  EXPECT_TRUE(published_.all<v1::PlanRejected>().empty());
}

TEST_F(HandlersTest, WrongPasswordRejectsThePlanAtOnce) {
  write_secret("wr0ng");
  EXPECT_EQ(plan(), Disposition::Kind::kDone);
  const auto failure = only_failure<v1::PlanRejected>();
  EXPECT_EQ(failure.reason(), "PushDenied");
  EXPECT_EQ(failure.class_(), v1::FAILURE_CLASS_PERMANENT);
  EXPECT_THAT(failure.message(), HasSubstr("repository:team/adapter:pull,push"));
  EXPECT_TRUE(published_.all<v1::ImagePushProgressed>().empty()) << "it retried";
}

TEST_F(HandlersTest, UnreadableReferenceOrSecretRejectsThePlan) {
  plan_.mutable_output()->set_image("Registry/Team:");
  plan(1);
  plan_.mutable_output()->set_image(registry_.host() + "/team/adapter:v1");
  plan_.mutable_output()->set_image_push_secret("../push");
  plan(2);
  const auto rejected = published_.all<v1::PlanRejected>();
  ASSERT_EQ(rejected.size(), 2u);
  EXPECT_EQ(rejected[0].failure().reason(), "ImageReferenceInvalid");
  EXPECT_EQ(rejected[1].failure().reason(), "SecretInvalid");
}

TEST_F(HandlersTest, MissingSecretIsNamedAndWaitedFor) {
  std::filesystem::remove(options_.secrets_dir / "default/push");
  std::jthread later([this] {
    published_.wait_for<v1::ImagePushProgressed>(2);
    write_secret(kUser.password);
  });
  EXPECT_EQ(plan(), Disposition::Kind::kDone);
  EXPECT_EQ(published_.all<v1::ImagePushProgressed>()[0].waiting().reason(), "SecretMissing");
  EXPECT_EQ(published_.all<v1::PlanCleared>().size(), 1u);
}

// What waits for the world is given back to the consumer, however many do: by the clock alone.
class WaitingTest : public HandlersTest {
 protected:
  WaitingTest() {
    options_.registry.backoff = {};
    options_.check_limit = BuilderOptions().check_limit;
    waiting_.emplace(options_, Handlers::World{http_, published_, current_, objects_, time_,
                                               metrics_, Log::silent()});
  }
  // Until the event is settled: how long it took by the clock.
  std::chrono::milliseconds wait_out(Disposition (Handlers::*handle)(const bus::IncomingEvent&,
                                                                     std::stop_token),
                                     const bus::OutgoingEvent& event) {
    std::chrono::milliseconds total{0};
    while (true) {
      const auto said = ((*waiting_).*handle)(fakes::delivered(event), {});
      if (said.kind != Disposition::Kind::kRetry) return total;
      EXPECT_LE(said.delay, 36s);
      time_.advance(said.delay);
      total += said.delay;
    }
  }
  template <typename Event>
  bus::OutgoingEvent event() {
    Event event;
    *event.mutable_workspace() = workspace(0);
    *event.mutable_plan() = plan_;
    if constexpr (std::is_same_v<Event, v1::AdapterReady>) *event.mutable_adapter() = adapter_;
    return bus::make_event(event);
  }
  ManualClock time_;
  std::optional<Handlers> waiting_;
};

TEST_F(WaitingTest, ASecretThatNeverComesRejectsThePlanAfterTenMinutes) {
  std::filesystem::remove(options_.secrets_dir / "default/push");
  EXPECT_EQ(wait_out(&Handlers::on_tuning_planned, event<v1::TuningPlanned>()), 10min);
  const auto failure = only_failure<v1::PlanRejected>();
  EXPECT_EQ(failure.reason(), "SecretMissing");
  EXPECT_THAT(failure.message(), HasSubstr("gave up after"));
  const auto progress = published_.all<v1::ImagePushProgressed>();
  ASSERT_GT(progress.size(), 10u);
  for (std::size_t i = 1; i < progress.size(); ++i) {
    EXPECT_GT(progress[i].sequence(), progress[i - 1].sequence()) << "the bus would drop it";
  }
}

TEST_F(WaitingTest, ASecretThatIsGoneAfterTrainingFailsThePushAfterTenMinutes) {
  store_adapter();
  std::filesystem::remove(options_.secrets_dir / "default/push");
  EXPECT_EQ(wait_out(&Handlers::on_adapter_ready, event<v1::AdapterReady>()), 10min);
  EXPECT_EQ(only_failure<v1::ImagePushFailed>().reason(), "SecretMissing");
}

TEST_F(WaitingTest, ADeadRegistryIsTriedTenMinutesBeforeTrainingAndTwoHoursAfter) {
  store_adapter();
  registry_.kill();
  EXPECT_EQ(wait_out(&Handlers::on_tuning_planned, event<v1::TuningPlanned>()), 10min);
  EXPECT_EQ(only_failure<v1::PlanRejected>().reason(), "ConnectionFailed");
  EXPECT_EQ(wait_out(&Handlers::on_adapter_ready, event<v1::AdapterReady>()), 2h);
  EXPECT_EQ(only_failure<v1::ImagePushFailed>().reason(), "ConnectionFailed");
}

TEST_F(HandlersTest, AdapterBecomesAnImageInTheRegistry) {
  store_adapter();
  EXPECT_EQ(ready(), Disposition::Kind::kDone);
  const auto pushed = published_.all<v1::ImagePushed>();
  ASSERT_EQ(pushed.size(), 1u);
  EXPECT_EQ(pushed[0].image(), plan_.output().image());
  EXPECT_EQ(pushed[0].tuning_key(), plan_.tuning_key());
  EXPECT_EQ(pushed[0].adapter().name(), adapter_.name());
  EXPECT_GT(pushed[0].size_bytes(), 200'000u);
  registry::RegistryClient client(http_, clock_, options_.registry,
                                  *workspace::parse_image_reference(plan_.output().image()),
                                  {kUser.name, kUser.password, ""});
  EXPECT_EQ(client.manifest("v1", {}).value()->digest, pushed[0].digest());
  const auto progress = published_.all<v1::ImagePushProgressed>();
  ASSERT_FALSE(progress.empty());
  EXPECT_EQ(progress.back().bytes_done(), pushed[0].size_bytes());
  EXPECT_EQ(progress.back().bytes_total(), pushed[0].size_bytes());
  EXPECT_TRUE(std::filesystem::is_empty(options_.work_dir));
}

// Re-observation announces the adapter again while its first push is under way.
TEST_F(HandlersTest, TwoPushesOfOneWorkspaceDoNotTakeEachOthersFiles) {
  options_.push_limit = 20s;
  store_adapter();
  auto within = Disposition::Kind::kRetry;
  objects_.before_next_get = [&] { within = ready(7); };
  EXPECT_EQ(ready(), Disposition::Kind::kDone);
  EXPECT_EQ(within, Disposition::Kind::kDone);
  EXPECT_EQ(published_.all<v1::ImagePushed>().size(), 2u);
  EXPECT_EQ(published_.all<v1::ImagePushFailed>().size(), 0u);
  EXPECT_TRUE(std::filesystem::is_empty(options_.work_dir));
}

TEST_F(HandlersTest, WhatIsPushedIsAnnouncedAgainWithoutTheAdapter) {
  store_adapter();
  ready(0);
  ASSERT_TRUE(objects_.delete_bucket("ws-uid-1"));
  const int uploads = registry_.logged("POST /v2/");
  EXPECT_EQ(ready(7), Disposition::Kind::kDone);
  const auto pushed = published_.all<v1::ImagePushed>();
  ASSERT_EQ(pushed.size(), 2u);
  EXPECT_EQ(pushed[0].digest(), pushed[1].digest());
  EXPECT_EQ(pushed[0].size_bytes(), pushed[1].size_bytes());
  EXPECT_EQ(registry_.logged("POST /v2/"), uploads);
}

TEST_F(HandlersTest, TagOfAnotherTuningIsNotOverwritten) {
  store_adapter();
  ready(0);
  EXPECT_EQ(plan(1), Disposition::Kind::kDone);
  EXPECT_EQ(published_.all<v1::PlanCleared>().size(), 1u) << "our own key is not taken";
  plan_.set_tuning_key(std::string(64, 'b'));
  plan(2);
  EXPECT_EQ(only_failure<v1::PlanRejected>().reason(), "OutputTagTaken");
  ready(3);
  EXPECT_EQ(only_failure<v1::ImagePushFailed>().reason(), "OutputTagTaken");
}

TEST_F(HandlersTest, AnotherOutputGetsTheSameImageWithoutTraining) {
  store_adapter();
  ready(0);
  plan_.mutable_output()->set_image(registry_.host() + "/other/place:v2");
  ready(1);
  const auto pushed = published_.all<v1::ImagePushed>();
  ASSERT_EQ(pushed.size(), 2u);
  EXPECT_EQ(pushed[0].digest(), pushed[1].digest());
  EXPECT_EQ(pushed[1].image(), registry_.host() + "/other/place:v2");
}

TEST_F(HandlersTest, LostOrOtherAdapterFailsThePush) {
  store_adapter();
  adapter_.set_sha256(std::string(64, '0'));
  ready(0);
  EXPECT_EQ(only_failure<v1::ImagePushFailed>().reason(), "AdapterInvalid");
  published_.clear();
  adapter_.set_name("gone");
  ready(1);
  EXPECT_EQ(only_failure<v1::ImagePushFailed>().reason(), "AdapterMissing");
}

TEST_F(HandlersTest, WhatNoLongerCountsIsDropped) {
  store_adapter();
  for (const bus::Current& current :
       {generation(2), generation(1, true), generation(1, false, true)}) {
    set_current(current);
    EXPECT_EQ(plan(), Disposition::Kind::kDone);
    EXPECT_EQ(ready(), Disposition::Kind::kDone);
  }
  EXPECT_TRUE(published_.published().empty());
  EXPECT_EQ(registry_.logged("/v2/team"), 0);
}

TEST_F(HandlersTest, BusTroubleGivesTheEventBack) {
  current_.fail_next({FailureClass::kTransient, "BusUnavailable", "away"});
  EXPECT_EQ(plan(), Disposition::Kind::kRetry);
  published_.fail_next({FailureClass::kTransient, "BusUnavailable", "away"});
  EXPECT_EQ(plan(), Disposition::Kind::kRetry);
  EXPECT_EQ(plan(), Disposition::Kind::kDone);
  EXPECT_EQ(published_.all<v1::PlanCleared>().size(), 1u);
}

TEST_F(HandlersTest, UndecodableEventsAreDead) {
  bus::IncomingEvent incoming;
  incoming.payload = "\xff\xff";
  EXPECT_EQ(handlers().on_tuning_planned(incoming, {}).kind, Disposition::Kind::kDead);
  EXPECT_EQ(handlers().on_adapter_ready(incoming, {}).kind, Disposition::Kind::kDead);
}

// With the registry dead: what ends the wait?
TEST_F(HandlersTest, ATakenTagIsOverwrittenWhenTheUserAllowsIt) {
  store_adapter(1);
  ready();
  plan_.set_tuning_key(std::string(64, 'b'));
  plan();
  const auto refused = only_failure<v1::PlanRejected>();
  EXPECT_EQ(refused.reason(), "OutputTagTaken");
  EXPECT_THAT(refused.message(), HasSubstr("tunesmith.dev/replace-tag"));
  plan_.mutable_output()->set_replace_tag(true);
  plan(1);
  EXPECT_EQ(published_.all<v1::PlanCleared>().size(), 1u);
  store_adapter(2);
  ready(1);
  const auto pushed = published_.all<v1::ImagePushed>();
  ASSERT_EQ(pushed.size(), 2u);
  EXPECT_NE(pushed[0].digest(), pushed[1].digest());
  ready(2);  // ours by now: nothing is pushed again
  EXPECT_EQ(published_.all<v1::ImagePushed>().back().digest(), pushed[1].digest());
}

TEST_F(HandlersTest, AdapterGoesIntoAFolder) {
  options_.allowed_host_paths = {folder_.path() / "allowed"};
  std::filesystem::create_directories(folder_.path() / "allowed");
  const auto out = folder_.path() / "allowed/adapter";
  plan_.mutable_output()->clear_image();
  plan_.mutable_output()->set_volume_path(out.string());
  store_adapter();
  plan();
  EXPECT_EQ(published_.all<v1::PlanCleared>().size(), 1u);
  ready();
  ready(1);
  const auto pushed = published_.all<v1::ImagePushed>();
  ASSERT_EQ(pushed.size(), 2u);
  EXPECT_EQ(pushed[0].image(), "");
  EXPECT_EQ(pushed[0].path(), out.string());
  EXPECT_EQ(pushed[0].digest(), "sha256:" + sha256_hex(bytes_of(out / "tunesmith.json")));
  EXPECT_EQ(pushed[0].digest(), pushed[1].digest());
  EXPECT_EQ(pushed[0].tuning_key(), plan_.tuning_key());
  EXPECT_GT(pushed[0].size_bytes(), 200'000u);
}

TEST_F(HandlersTest, AFolderThatIsNotAllowedIsRefusedBeforeTraining) {
  plan_.mutable_output()->clear_image();
  plan_.mutable_output()->set_volume_path((folder_.path() / "x").string());
  plan();
  EXPECT_EQ(only_failure<v1::PlanRejected>().reason(), "OutputPathNotAllowed");
}

class HeldRegistryTest : public HandlersTest {
 protected:
  HeldRegistryTest() {
    store_adapter();
    registry_.kill();
  }
};

TEST_F(HeldRegistryTest, AnsweringUnavailableIsWaitedOut) {
  std::optional<testing_support::UnavailableServer> busy(registry_.port());
  std::jthread later([this, &busy] {
    published_.wait_for<v1::ImagePushProgressed>(3);
    busy.reset();
    registry_.restart();
  });
  EXPECT_EQ(ready(), Disposition::Kind::kDone);
  EXPECT_EQ(published_.all<v1::ImagePushed>().size(), 1u);
  const auto first = published_.all<v1::ImagePushProgressed>().at(0);
  EXPECT_EQ(first.waiting().reason(), "RegistryUnavailable");
  EXPECT_EQ(first.waiting().class_(), v1::FAILURE_CLASS_TRANSIENT);
  EXPECT_FALSE(published_.all<v1::ImagePushProgressed>().back().has_waiting());
}

TEST_F(HeldRegistryTest, DeletionEndsThePushQuietly) {
  std::jthread later([this] {
    published_.wait_for<v1::ImagePushProgressed>(1);
    set_current(generation(1, true));
  });
  EXPECT_EQ(ready(), Disposition::Kind::kDone);
  EXPECT_TRUE(published_.all<v1::ImagePushFailed>().empty());
  EXPECT_TRUE(published_.all<v1::ImagePushed>().empty());
}

TEST_F(HeldRegistryTest, StoppingServiceHandsTheEventBack) {
  std::jthread later([this] {
    published_.wait_for<v1::ImagePushProgressed>(1);
    stop_.request_stop();
  });
  EXPECT_EQ(ready(), Disposition::Kind::kHandBack);
  EXPECT_TRUE(published_.all<v1::ImagePushFailed>().empty());
}

TEST_F(HeldRegistryTest, PushGivesUpAtItsDeadline) {
  options_.push_limit = 200ms;
  EXPECT_EQ(ready(), Disposition::Kind::kDone);
  EXPECT_THAT(only_failure<v1::ImagePushFailed>().message(), HasSubstr("gave up after"));
}

}  // namespace
}  // namespace tunesmith::image_builder
