// What needs no server: names, headers, layouts, the executor, the lease observer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <mutex>

#include "bus/base64url.h"
#include "bus/cloud_event.h"
#include "bus/event.h"
#include "bus/keyed_executor.h"
#include "bus/lease.h"
#include "bus/nats_message.h"
#include "bus/object_meta.h"
#include "bus/subject.h"
#include "runtime/percent.h"
#include "tunesmith/events/v1/planning.pb.h"
#include "tunesmith/events/v1/tuning.pb.h"

namespace tunesmith::bus {
namespace {

using std::chrono::milliseconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::SizeIs;

TEST(Subject, MatchesTokenByToken) {
  EXPECT_TRUE(subject_matches("spec.*.*", "spec.default.a"));
  EXPECT_TRUE(subject_matches(">", "spec.default.a"));
  EXPECT_TRUE(subject_matches("spec.>", "spec.default.a"));
  EXPECT_FALSE(subject_matches("spec.>", "spec"));
  EXPECT_FALSE(subject_matches("spec.*", "spec.default.a"));
  EXPECT_FALSE(subject_matches("spec.*.*", "spec.default"));
  EXPECT_FALSE(subject_matches("spec", "status"));
}

TEST(Subject, KnowsKeysAndTokens) {
  EXPECT_TRUE(is_valid_key("spec.default.my-model_1"));
  for (const char* bad : {"", ".a", "a.", "a..b", "a b", "a*", "ä"}) {
    EXPECT_FALSE(is_valid_key(bad)) << bad;
  }
  EXPECT_TRUE(is_valid_token("u-1"));
  for (const char* bad : {"", "a.b", "*", ">", "a b", "a\n"}) {
    EXPECT_FALSE(is_valid_token(bad)) << bad;
  }
}

TEST(Event, NamesComeFromTheDescriptor) {
  events::v1::TuningPlanned planned;
  planned.mutable_workspace()->set_uid("u1");
  planned.mutable_workspace()->set_generation(2);
  planned.mutable_workspace()->set_pass(7);
  const auto event = make_event(planned, "3");
  EXPECT_EQ(event.id, "u1/2/7/tuning-planned/3");
  EXPECT_EQ(subject_of(event.token, event.uid), "tunesmith.v1.tuning-planned.u1");
  EXPECT_EQ(cloud_event_type_of(event.token), "dev.tunesmith.tuning-planned.v1");
  EXPECT_EQ(make_event(planned).id, "u1/2/7/tuning-planned");
}

TEST(Event, EveryEventOfTheContractHasAToken) {
  const auto tokens = all_event_tokens();
  EXPECT_THAT(tokens, SizeIs(23));
  EXPECT_THAT(tokens, Contains("workspace-observed"));
  EXPECT_THAT(tokens, Contains("image-push-failed"));
  EXPECT_THAT(tokens, Contains("serving-stopped"));
}

TEST(Event, DecodesOnlyWhatItIs) {
  EXPECT_EQ(decode<events::v1::TuningPlanned>({.payload = "\xff\xff garbage"}).error().reason,
            "EventUndecodable");
  EXPECT_EQ(decode<events::v1::TuningPlanned>({.payload = ""}).error().failure_class,
            FailureClass::kPoison);
}

TEST(Event, FailuresSurviveTheWay) {
  for (const auto failure_class :
       {FailureClass::kTransient, FailureClass::kPermanent, FailureClass::kPoison}) {
    const Failure failure{failure_class, "PushDenied", "expected 202, got 403"};
    EXPECT_EQ(from_proto(to_proto(failure)), failure);
  }
}

TEST(Event, AFailureThatQuotesBytesCanBeRead) {
  events::v1::TuningFailed event;
  event.mutable_workspace()->set_uid("u");
  *event.mutable_failure() =
      to_proto({FailureClass::kPermanent, "EngineFailed", "the last line was: gr\xc3"});
  const auto read = decode<events::v1::TuningFailed>({.payload = event.SerializeAsString()});
  ASSERT_TRUE(read.has_value()) << read.error().message;
  EXPECT_EQ(read->failure().message(), "the last line was: gr\xef\xbf\xbd");
}

TEST(Event, AFailureThatQuotesAStrangerIsHarmlessAndBounded) {
  const auto told =
      to_proto({FailureClass::kPermanent, "SourceChanged", "tag \x1b]0;x\x07\r\nline two\x7f"});
  EXPECT_EQ(told.message(), "tag  ]0;x  \nline two ");
  const auto cut = to_proto({FailureClass::kPermanent, "SourceChanged", std::string(100'000, 'x')});
  EXPECT_EQ(cut.message(), std::string(4096, 'x') + "…");
}

TEST(CloudEvent, EncodesWhatHeadersCannotHold) {
  EXPECT_EQ(percent_encode("a b\"%\n\xc3\xa4"), "a%20b%22%25%0A%C3%A4");
  EXPECT_EQ(percent_decode("a%20b%22%25%0A%c3%A4"), "a b\"%\n\xc3\xa4");
  EXPECT_EQ(percent_decode("100%"), "100%");
  EXPECT_EQ(percent_decode("%zz%4"), "%zz%4");
}

TEST(CloudEvent, ReadsWhatItWrote) {
  const OutgoingEvent event{.id = "u1/1/0/nodes-ready",
                            .token = "nodes-ready",
                            .uid = "u1",
                            .payload = "bytes",
                            .traceparent = traceparent_of("0123456789abcdefghijklmn")};
  const auto headers = headers_of(event, "/tunesmith/planner", "2026-01-31T12:00:00Z");
  EXPECT_EQ(headers.at("ce-specversion"), "1.0");
  EXPECT_EQ(headers.at("ce-type"), "dev.tunesmith.nodes-ready.v1");
  EXPECT_EQ(headers.at("ce-source"), "/tunesmith/planner");
  EXPECT_EQ(headers.at("ce-subject"), "u1");
  EXPECT_EQ(headers.at("Nats-Msg-Id"), event.id);
  EXPECT_EQ(headers.at("traceparent"), "00-30313233343536373839616263646566-6768696a6b6c6d6e-01");
  const auto read = event_of("tunesmith.v1.nodes-ready.u1", headers, "bytes", 5, "later");
  EXPECT_EQ(read.id, event.id);
  EXPECT_EQ(read.token, "nodes-ready");
  EXPECT_EQ(read.uid, "u1");
  EXPECT_EQ(read.time, "2026-01-31T12:00:00Z");
  EXPECT_EQ(read.stream_sequence, 5u);
}

TEST(CloudEvent, NamesWhatHasNoHeaders) {
  const auto read = event_of("tunesmith.v1.x.u1", {}, "", 5, "stored");
  EXPECT_EQ(read.id, "unnamed/5");
  EXPECT_EQ(read.time, "stored");
}

TEST(Digest, SpellsBase64urlAsGoDoes) {
  EXPECT_EQ(to_base64url(""), "");
  EXPECT_EQ(to_base64url("f"), "Zg==");
  EXPECT_EQ(to_base64url("fo"), "Zm8=");
  EXPECT_EQ(to_base64url("foo"), "Zm9v");
  EXPECT_EQ(to_base64url("\xfb\xff"), "-_8=");
  EXPECT_EQ(from_base64url("-_8="), "\xfb\xff");
  EXPECT_EQ(from_base64url("a+b"), "");
  EXPECT_EQ(to_hex(from_hex("00ff10")), "00ff10");
}

TEST(DeliveryInfo, ReadsBothForms) {
  const auto v1 = delivery_info("$JS.ACK.S.C.2.30.4.1700000000000000000.5");
  ASSERT_TRUE(v1);
  EXPECT_EQ(v1->consumer, "C");
  EXPECT_EQ(v1->deliveries, 2u);
  EXPECT_EQ(v1->stream_sequence, 30u);
  EXPECT_EQ(v1->consumer_sequence, 4u);
  EXPECT_EQ(v1->pending, 5u);
  const auto v2 = delivery_info("$JS.ACK._.acc.S.C.2.30.4.1700000000000000000.5.rnd");
  ASSERT_TRUE(v2);
  EXPECT_EQ(v2->stream, "S");
  EXPECT_EQ(v2->stream_sequence, 30u);
  EXPECT_FALSE(delivery_info("$JS.ACK.S.C.2"));
  EXPECT_FALSE(delivery_info("_INBOX.x"));
}

TEST(ObjectMeta, FollowsThePublishedLayout) {
  EXPECT_EQ(object_stream("ws-1"), "OBJ_ws-1");
  EXPECT_EQ(chunk_subject("ws-1", "n"), "$O.ws-1.C.n");
  EXPECT_EQ(meta_subject("ws-1", "adapter/k/1"), "$O.ws-1.M.YWRhcHRlci9rLzE=");
  const ObjectMeta meta{
      .name = "a",
      .bucket = "ws-1",
      .nuid = "n",
      .size_bytes = 3,
      .chunks = 1,
      .sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"};
  const std::string json = to_json(meta);
  EXPECT_NE(json.find("SHA-256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0="), std::string::npos);
  const auto read = object_meta_from_json(json);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->sha256, meta.sha256);
  EXPECT_EQ(read->size_bytes, 3u);
  EXPECT_EQ(object_meta_from_json("{}").error().reason, "ObjectCorrupt");
}

TEST(KeyedExecutor, KeepsTheOrderOfAKeyAndRunsOthersBeside) {
  std::mutex mutex;
  std::vector<int> a;
  std::promise<std::size_t> load_at_second_b;
  std::promise<void> a_may_end;
  {
    KeyedExecutor executor(2);
    executor.submit("a", [&] {
      a_may_end.get_future().wait();
      const std::scoped_lock lock(mutex);
      a.push_back(1);
    });
    for (const int i : {2, 3}) {
      executor.submit("a", [&, i] {
        const std::scoped_lock lock(mutex);
        a.push_back(i);
      });
    }
    executor.submit("b", [] {});
    executor.submit("b", [&] { load_at_second_b.set_value(executor.load()); });
    // "b" is not held up by "a", and "a"'s followers do not overtake. When the second "b" runs, the
    // first no longer counts.
    auto load = load_at_second_b.get_future();
    const bool ran = load.wait_for(std::chrono::seconds(30)) == std::future_status::ready;
    a_may_end.set_value();
    ASSERT_TRUE(ran);
    EXPECT_EQ(load.get(), 4u);
  }
  EXPECT_THAT(a, ElementsAre(1, 2, 3));
}

TEST(LeaseObserver, JudgesByItsOwnClock) {
  ManualClock clock;
  LeaseObserver observer(clock, {.duration = milliseconds(1'000)});
  EXPECT_TRUE(observer.may_take());
  observer.saw(7, false);
  EXPECT_EQ(observer.time_left(), milliseconds(1'000));
  clock.advance(milliseconds(900));
  observer.saw(7, false);  // the same revision: no renewal
  EXPECT_EQ(observer.time_left(), milliseconds(100));
  observer.saw(8, false);
  EXPECT_EQ(observer.time_left(), milliseconds(1'000));
  clock.advance(milliseconds(1'000));
  EXPECT_TRUE(observer.may_take());
  observer.saw(9, false);
  EXPECT_FALSE(observer.may_take());
  observer.saw(10, true);
  EXPECT_TRUE(observer.may_take());
  observer.saw(11, false);
  observer.saw(std::nullopt, false);
  EXPECT_TRUE(observer.may_take());
}

}  // namespace
}  // namespace tunesmith::bus
