// CloudEvents 1.0 binary mode over NATS: attribute → header `ce-<name>`, percent-encoded; payload
// raw.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "bus/event.h"

namespace tunesmith::bus {

using Headers = std::map<std::string, std::string>;

// CloudEvents HTTP binding 3.1.3.2: everything but printable ASCII, and space, double quote and
// percent, becomes %XX. Decoded by runtime/percent.h.
std::string percent_encode(std::string_view text);

// ce-id, ce-source, ce-specversion, ce-type, ce-time, ce-subject, traceparent and Nats-Msg-Id.
// `source` is a URI reference ("/tunesmith/planner").
Headers headers_of(const OutgoingEvent& event, std::string_view source, std::string_view time);

// Reads a stored event. What lacks our headers gets what the subject and the sequence tell; whether
// the payload can be understood is the handler's question.
IncomingEvent event_of(std::string_view subject, const Headers& headers, std::string payload,
                       std::uint64_t stream_sequence, std::string_view stored_at);

// A W3C traceparent of a new trace from 24 random bytes.
std::string traceparent_of(std::string_view random_bytes);

}  // namespace tunesmith::bus
