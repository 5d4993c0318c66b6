// The permissions on real servers: what the table allows works, what it does not is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nats/nats.h>
#include <yaml-cpp/yaml.h>

#include <fstream>
#include <future>
#include <nlohmann/json.hpp>

#include "bus/nats_bus_fixture.h"
#include "bus/nats_connection.h"
#include "bus/permissions.h"
#include "runtime/text.h"
#include "temp_folder.h"
#include "tunesmith/events/v1/nodes.pb.h"
#include "tunesmith/events/v1/tuning.pb.h"

namespace tunesmith::bus {
namespace {

namespace fs = std::filesystem;
using testing::NatsBinary;

std::string password_of(const std::string& user) { return user + "-password"; }

// A folder with the server's configuration and the users' password files.
class AccessFiles {
 public:
  AccessFiles() {
    std::vector<UserLogin> logins;
    for (const UserGrant& grant : grants()) {
      logins.push_back({grant.user, password_of(grant.user)});
      static_cast<void>(write_file(folder_.path() / grant.user, password_of(grant.user), 0600));
    }
    static_cast<void>(write_file(folder_.path() / "nats.conf", nats_authorization(logins), 0600));
  }
  fs::path operator/(const std::string& name) const { return folder_.path() / name; }

 private:
  testing_support::TempFolder folder_;
};

class PermissionsTest : public ::testing::TestWithParam<NatsBinary> {
 protected:
  PermissionsTest() {
    auto admin = connect("admin");
    if (auto made = init_topology(*admin, {}); !made) {
      throw std::runtime_error(made.error().message);
    }
  }
  std::unique_ptr<Connection> connect(const std::string& user, std::string inbox_prefix = "") {
    if (inbox_prefix.empty()) inbox_prefix = inbox_prefix_of(user);
    auto connection = Connection::open({.url = server_.url(),
                                        .name = user,
                                        .user = user,
                                        .password_file = (files_ / user).string(),
                                        .inbox_prefix = inbox_prefix},
                                       log_, {});
    if (!connection) throw std::runtime_error(connection.error().message);
    return std::move(*connection);
  }
  std::unique_ptr<KeyValue> key_value(Connection& connection, const char* name) {
    auto bucket = connection.key_value(name);
    if (!bucket) throw std::runtime_error(bucket.error().message);
    return std::move(*bucket);
  }
  // What the server says of one publication or subscription: nothing, or why it refuses.
  std::string refusal(const std::string& user, const std::string& act, const std::string& subject);

  AccessFiles files_;
  testing::NatsServer server_{GetParam(), {"-c", (files_ / "nats.conf").string()}};
  Log log_ = Log::silent();
};

std::string PermissionsTest::refusal(const std::string& user, const std::string& act,
                                     const std::string& subject) {
  natsOptions* options = nullptr;
  natsOptions_Create(&options);
  natsOptions_SetURL(options, server_.url().c_str());
  natsOptions_SetUserInfo(options, user.c_str(), password_of(user).c_str());
  natsOptions_SetMaxReconnect(options, 0);
  natsConnection* connection = nullptr;
  natsSubscription* subscription = nullptr;
  std::string said;
  natsStatus status = natsConnection_Connect(&connection, options);
  EXPECT_EQ(status, NATS_OK) << user;
  if (status == NATS_OK) {
    if (act == "subscribe") {
      status = natsConnection_SubscribeSync(&subscription, connection, subject.c_str());
    } else {
      status = natsConnection_PublishString(connection, subject.c_str(), "{}");
    }
    EXPECT_EQ(status, NATS_OK) << subject;
    // The server's complaint comes before its answer to the ping.
    EXPECT_EQ(natsConnection_FlushTimeout(connection, 30'000), NATS_OK);
    const char* text = nullptr;
    if (natsConnection_GetLastError(connection, &text) != NATS_OK && text != nullptr) said = text;
    natsSubscription_Destroy(subscription);
    natsConnection_Close(connection);
  }
  natsConnection_Destroy(connection);
  natsOptions_Destroy(options);
  return said;
}

TEST_P(PermissionsTest, EachActOfTheTableIsAllowedOrRefused) {
  const YAML::Node table = YAML::LoadFile(TUNESMITH_TEST_DIR "/testdata/permissions.yaml");
  const auto each = [&](const char* section, const auto& check) {
    ASSERT_TRUE(table[section].size() > 0);
    for (const YAML::Node& row : table[section]) {
      const auto user = row["user"].as<std::string>();
      const auto act = row["act"].as<std::string>("publish");
      const auto subject = row["subject"].as<std::string>();
      check(refusal(user, act, subject), user + ": " + act + " " + subject);
    }
  };
  each("refused", [](const std::string& said, const std::string& row) {
    EXPECT_THAT(said, ::testing::HasSubstr("Permissions Violation")) << row;
  });
  each("allowed",
       [](const std::string& said, const std::string& row) { EXPECT_EQ(said, "") << row; });
}

// What a service does with a durable: nothing else is in the way of its work.
TEST_P(PermissionsTest, AServiceTakesItsEventsAndSettlesThem) {
  auto watcher = connect("watcher");
  auto planner = connect("planner");
  Seen seen;
  auto consumer = planner->consume(
      {.service = "planner", .token = "workspace-observed"},
      [&](const IncomingEvent& event, const std::stop_token&) {
        seen.add(event.uid);
        return event.uid == "bad"
                   ? Disposition::dead({FailureClass::kPoison, "EventUndecodable", "bad"})
                   : Disposition::done();
      });
  ASSERT_TRUE(consumer) << consumer.error().message;
  Seen buried;
  auto collector = watcher->collect_dead_letters([&](const DeadLetter& letter) {
    buried.add(letter.consumer);
    return Disposition::done();
  });
  ASSERT_TRUE(collector) << collector.error().message;
  for (const char* uid : {"good", "bad"}) {
    const auto sent = watcher->publish(
        {.id = std::string(uid) + "/1/0/x", .token = "workspace-observed", .uid = uid});
    ASSERT_TRUE(sent) << sent.error().message;
  }
  EXPECT_TRUE(seen.wait_for("good"));
  EXPECT_TRUE(buried.wait_for("planner_workspace-observed"));
  auto cli = connect("cli");
  const auto letters = cli->dead_letters(10);
  ASSERT_TRUE(letters) << letters.error().message;
  ASSERT_EQ(letters->size(), 1u);
  EXPECT_TRUE(connect("admin")->replay(letters->front().sequence, 1));
}

TEST_P(PermissionsTest, BucketsAreReadAndWatchedByTheirReaders) {
  auto watcher = connect("watcher");
  auto worker = connect("gpu-worker");
  auto written = key_value(*watcher, bucket::kCurrent);
  auto read = key_value(*worker, bucket::kCurrent);
  ASSERT_TRUE(written->put("u1", "one"));
  EXPECT_EQ((*read->get("u1"))->value, "one");
  EXPECT_THAT(*read->keys(">"), ::testing::ElementsAre("u1"));
  std::stop_source stop;
  const auto watched = read->watch(
      "u1",
      [&](const KeyValueEntry& entry) {
        if (entry.value == "two") stop.request_stop();
      },
      [&] { ASSERT_TRUE(written->put("u1", "two")); }, stop.get_token());
  EXPECT_TRUE(watched);
}

TEST_P(PermissionsTest, ObjectsGoFromTheWorkerToTheImageBuilderAndAreCollected) {
  const fs::path file = files_ / "object", copy = files_ / "copy";
  ASSERT_TRUE(write_file(file, std::string(300'000, 'x')));
  auto worker = connect("gpu-worker");
  auto builder = connect("image-builder");
  auto provisioner = connect("provisioner");
  const auto made = worker->objects().create_bucket("ws-u1", 0);
  ASSERT_TRUE(made) << made.error().message;
  ASSERT_TRUE(worker->objects().create_bucket("ws-u1", 0));  // again: an update
  for (const char* name : {"adapter/k/1", "checkpoint/k/1"}) {
    const auto put = worker->objects().put_file("ws-u1", name, file, {});
    ASSERT_TRUE(put) << put.error().message;
  }
  EXPECT_TRUE(worker->objects().remove("ws-u1", "checkpoint/k/1"));
  const auto got = builder->objects().get_file("ws-u1", "adapter/k/1", copy, {});
  EXPECT_TRUE(got) << got.error().message;
  EXPECT_EQ(provisioner->objects().list("ws-u1")->size(), 1u);
  EXPECT_TRUE(provisioner->objects().remove("ws-u1", "adapter/k/1"));
  EXPECT_THAT(*provisioner->objects().buckets(), ::testing::ElementsAre("ws-u1"));
  EXPECT_TRUE(provisioner->objects().delete_bucket("ws-u1"));
}

// A request's subject is what the server checks: its body must not be able to say something else.
TEST_P(PermissionsTest, ABodyCannotAskForMoreThanItsSubject) {
  auto planner = connect("planner");
  auto cli = connect("cli");
  const std::string own = "planner_workspace-observed";
  auto consumer = planner->consume(
      {.service = "planner", .token = "workspace-observed"},
      [](const IncomingEvent&, const std::stop_token&) { return Disposition::done(); });
  ASSERT_TRUE(consumer);
  const auto ask = [](Connection& connection, const std::string& subject, nlohmann::json config) {
    auto& client = dynamic_cast<NatsConnection&>(connection).client();
    config.update({{"deliver_policy", "all"}, {"ack_policy", "explicit"}});
    const std::string request = nlohmann::json{{"stream_name", kStream}, {"config", config}}.dump();
    natsMsg* raw = nullptr;
    EXPECT_EQ(natsConnection_Request(&raw, client.connection(), subject.c_str(), request.data(),
                                     static_cast<int>(request.size()), 10'000),
              NATS_OK);
    const MsgHandle owned(raw);
    return to_message(raw).data;
  };
  const std::string create = "$JS.API.CONSUMER.CREATE.TUNESMITH.";
  const std::string planners = create + own + ".tunesmith.v1.workspace-observed.*";
  const std::string anyones = create + "mine.tunesmith.v1.>";
  for (const auto& [connection, subject, config] :
       std::vector<std::tuple<Connection*, std::string, nlohmann::json>>{
           {planner.get(),
            planners,
            {{"durable_name", own}, {"name", own}, {"filter_subject", "tunesmith.v1.>"}}},
           {planner.get(),
            planners,
            {{"durable_name", own}, {"name", own}, {"filter_subjects", {"tunesmith.v1.>"}}}},
           {planner.get(), planners, {{"durable_name", own}, {"name", own}}},
           {cli.get(),
            anyones,
            {{"durable_name", own}, {"name", own}, {"filter_subject", "tunesmith.v1.>"}}},
           {cli.get(), anyones, {{"name", own}, {"filter_subject", "tunesmith.v1.>"}}},
           {cli.get(),
            anyones,
            {{"durable_name", own}, {"name", "mine"}, {"filter_subject", "tunesmith.v1.>"}}}}) {
    // Refused, or only the consumer that the subject names.
    EXPECT_THAT(ask(*connection, subject, config),
                ::testing::AnyOf(::testing::HasSubstr("\"error\""),
                                 ::testing::HasSubstr("\"name\":\"mine\"")))
        << config;
  }
  auto admin = connect("admin");
  jsConsumerInfo* raw = nullptr;
  ASSERT_EQ(js_GetConsumerInfo(&raw, dynamic_cast<NatsConnection&>(*admin).client().jetstream(),
                               kStream, own.c_str(), nullptr, nullptr),
            NATS_OK);
  const ConsumerInfoHandle info(raw);
  EXPECT_STREQ(info->Config->FilterSubject, "tunesmith.v1.workspace-observed.*");
}

// Not after the whole patience of a call that has no answer.
TEST_P(PermissionsTest, WhoIsRefusedIsTold) {
  const auto refused = connect("planner")->publish(
      {.id = "u1/1/0/tuning-started", .token = "tuning-started", .uid = "u1"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "BusNotPermitted");
  EXPECT_EQ(refused.error().failure_class, FailureClass::kPermanent);
}

TEST_P(PermissionsTest, AReplyToAnotherUsersInboxIsNotReceived) {
  // The watcher listens where it may, the planner is answered where it asked: no overlap.
  auto intruder = Connection::open({.url = server_.url(),
                                    .name = "watcher",
                                    .user = "watcher",
                                    .password_file = (files_ / "watcher").string(),
                                    .inbox_prefix = inbox_prefix_of("planner")},
                                   log_, {});
  ASSERT_TRUE(intruder);
  auto& client = dynamic_cast<NatsConnection&>(**intruder).client();
  natsMsg* raw = nullptr;
  EXPECT_EQ(natsConnection_Request(&raw, client.connection(), "$JS.API.STREAM.INFO.KV_current", "",
                                   0, 500),
            NATS_TIMEOUT);
  natsMsg_Destroy(raw);
}

INSTANTIATE_TEST_SUITE_P(Servers, PermissionsTest, ::testing::ValuesIn(testing::nats_binaries()),
                         binary_name);

TEST(Permissions, EveryEventHasAPublisherAndOnlyEventsAreGranted) {
  const auto tokens = all_event_tokens();
  std::set<std::string> published;
  for (const UserGrant& grant : grants()) {
    for (const std::string token : grant.publishes) {
      EXPECT_THAT(tokens, ::testing::Contains(token)) << grant.user;
      published.insert(token);
    }
    for (const std::string token : grant.consumes) {
      EXPECT_TRUE(token == "*" || std::count(tokens.begin(), tokens.end(), token) == 1) << token;
    }
  }
  for (const std::string& token : tokens) EXPECT_TRUE(published.contains(token)) << token;
}

TEST(Permissions, AVariableStaysAVariableAndAHashIsText) {
  const std::string conf =
      nats_authorization({{"cli", "$NATS_PASSWORD_CLI"}, {"planner", "$2a$05$abc"}});
  EXPECT_THAT(conf, ::testing::HasSubstr("password: $NATS_PASSWORD_CLI\n"));
  EXPECT_THAT(conf, ::testing::HasSubstr("password: \"$2a$05$abc\"\n"));
}

}  // namespace
}  // namespace tunesmith::bus
