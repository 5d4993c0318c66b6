#include "cli/event_text.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tunesmith/events/v1/planning.pb.h"
#include "tunesmith/events/v1/tuning.pb.h"
#include "tunesmith/events/v1/workspace.pb.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

template <typename Event>
Event about_a() {
  Event event;
  event.mutable_workspace()->set_uid("u");
  event.mutable_workspace()->set_namespace_("default");
  event.mutable_workspace()->set_name("a");
  event.mutable_workspace()->set_generation(3);
  return event;
}

template <typename Event>
json decoded(const Event& event) {
  const bus::OutgoingEvent out = bus::make_event(event);
  return event_json({.id = out.id,
                     .token = out.token,
                     .uid = out.uid,
                     .payload = out.payload,
                     .time = "2026-01-31T12:00:00.5Z",
                     .stream_sequence = 7});
}

TEST(EventLine, NamesTimeEventWorkspaceAndKeyFields) {
  auto event = about_a<events::v1::TuningProgressed>();
  event.set_phase("Training");
  event.set_step(42);
  event.set_train_loss(1.23456);
  EXPECT_EQ(event_line(decoded(event)),
            "2026-01-31T12:00:00Z  tuning-progressed  default/a gen 3  phase=Training step=42 "
            "train_loss=1.235");
}

TEST(EventLine, TellsAPlanInBrief) {
  auto event = about_a<events::v1::TuningPlanned>();
  event.mutable_plan()->set_tuning_key("0123456789abcdef");
  event.mutable_plan()->mutable_output()->set_image("r/a:1");
  event.mutable_plan()->mutable_tuning()->mutable_model()->set_repository("org/m");
  EXPECT_THAT(event_line(decoded(event)),
              HasSubstr("tuning_key=0123456789ab model=org/m output=r/a:1"));
}

TEST(EventJson, HoldsNoQueryStringOfAnyUrl) {
  auto planned = about_a<events::v1::TuningPlanned>();
  planned.mutable_plan()->mutable_tuning()->mutable_data()->add_files()->set_url(
      "https://h/a.parquet?sig=secret");
  EXPECT_THAT(decoded(planned).dump(), Not(HasSubstr("secret")));
  EXPECT_THAT(decoded(planned).dump(), HasSubstr("https://h/a.parquet"));
  auto observed = about_a<events::v1::WorkspaceObserved>();
  observed.set_manifest_json(R"({"tuning":{"input":{"urls":["https://h/b?sig=secret"]}}})");
  EXPECT_THAT(decoded(observed).dump(), Not(HasSubstr("secret")));
  EXPECT_THAT(decoded(observed).dump(), HasSubstr("https://h/b"));
}

TEST(EventJson, WhatCannotBeDecodedIsStillShown) {
  const json unknown = event_json({.id = "i", .token = "no-such-event", .uid = "u"});
  EXPECT_TRUE(unknown["data"].is_null());
  EXPECT_THAT(event_line(unknown), HasSubstr("no-such-event  u  (cannot be decoded)"));
  const json broken = event_json({.token = "tuning-planned", .uid = "u", .payload = "\xff\xff"});
  EXPECT_TRUE(broken["data"].is_null());
}

TEST(IsAbout, ComparesNamespaceAndName) {
  const json event = decoded(about_a<events::v1::TuningPlanned>());
  EXPECT_TRUE(is_about(event, "default", "a"));
  EXPECT_TRUE(is_about(event, "default", ""));
  EXPECT_FALSE(is_about(event, "default", "b"));
  EXPECT_FALSE(is_about(event, "other", "a"));
}

}  // namespace
}  // namespace tunesmith::cli
