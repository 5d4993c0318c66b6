// Secrets and registries that are not there yet: what is waited for, and what ends the wait.
#include <thread>

#include "image-builder/handlers_fixture.h"
#include "registry/unavailable_server.h"

namespace tunesmith::image_builder {
namespace {

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
    waiting_.emplace(options_, world(time_));
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

// With the registry dead: what ends the wait?
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
