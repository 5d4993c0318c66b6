// Events: names, ids and headers, derived from the Protobuf descriptor so that no table can drift.
//
//   message   tunesmith.events.v1.TuningPlanned
//   token     tuning-planned
//   subject   tunesmith.v1.tuning-planned.<uid>
//   ce-type   dev.tunesmith.tuning-planned.v1
//   id        <uid>/<generation>/<pass>/tuning-planned[/<suffix>]     (ce-id and Nats-Msg-Id)
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.h"
#include "tunesmith/events/v1/common.pb.h"

namespace tunesmith::bus {

inline constexpr std::string_view kSubjectPrefix = "tunesmith.v1.";

// "TuningPlanned" → "tuning-planned".
std::string token_of(std::string_view message_name);
template <typename Event>
std::string token_of() {
  return token_of(Event::descriptor()->name());
}
// Every token of the contract, from the descriptors in schemas/.
std::vector<std::string> all_event_tokens();

std::string subject_of(std::string_view token, std::string_view uid);
std::string cloud_event_type_of(std::string_view token);

// `suffix` tells apart events of one type in one pass: an attempt or a count. Empty = none.
std::string event_id(const events::v1::WorkspaceRef& workspace, std::string_view token,
                     std::string_view suffix);

struct OutgoingEvent {
  std::string id{};
  std::string token{};
  std::string uid{};
  std::string payload{};      // serialised Protobuf, at most 256 KiB
  std::string traceparent{};  // W3C; empty = a new trace
};

// An event as it was delivered.
struct IncomingEvent {
  std::string id{};
  std::string token{};
  std::string uid{};
  std::string payload{};
  std::string traceparent{};
  std::string time{};  // RFC 3339, when it was published
  std::uint64_t stream_sequence = 0;
  std::uint64_t deliveries = 1;  // 1 = the first
};

// Says something to the rest of the system. Thread-safe.
class Publisher {
 public:
  virtual ~Publisher() = default;
  // Returns when the stream has it (a repeated id is a success). Retries inside (no responders,
  // connection lost) with the same id until `publish_timeout`; Transient `BusUnavailable` after
  // that; Permanent `EventTooLarge`.
  virtual Result<void> publish(const OutgoingEvent& event) = 0;
};

template <typename Event>
OutgoingEvent make_event(const Event& event, std::string_view suffix = "",
                         std::string_view traceparent = "") {
  return {.id = event_id(event.workspace(), token_of<Event>(), suffix),
          .token = token_of<Event>(),
          .uid = event.workspace().uid(),
          .payload = event.SerializeAsString(),
          .traceparent = std::string(traceparent)};
}

// Poison `EventUndecodable` when the payload is not this event or names no Workspace.
template <typename Event>
Result<Event> decode(const IncomingEvent& incoming) {
  Event event;
  if (!event.ParseFromString(incoming.payload) || event.workspace().uid().empty()) {
    return poison("EventUndecodable", "the payload of event " + incoming.id + " is no " +
                                          Event::descriptor()->full_name());
  }
  return event;
}

// Bytes that are not UTF-8 (a log line cut inside a character) become U+FFFD: with them the event
// could not be decoded.
events::v1::Failure to_proto(const Failure& failure);
Failure from_proto(const events::v1::Failure& failure);

}  // namespace tunesmith::bus
