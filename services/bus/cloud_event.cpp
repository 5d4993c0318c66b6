#include "bus/cloud_event.h"

#include "bus/base64url.h"
#include "runtime/percent.h"

namespace tunesmith::bus {
namespace {

std::string header(const Headers& headers, const std::string& name) {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : percent_decode(found->second);
}

}  // namespace

std::string percent_encode(std::string_view text) {
  return tunesmith::percent_encode(text, [](unsigned char byte) {
    return byte > 0x20 && byte < 0x7f && byte != '"' && byte != '%';
  });
}

Headers headers_of(const OutgoingEvent& event, std::string_view source, std::string_view time) {
  Headers headers = {{"ce-specversion", "1.0"},
                     {"ce-id", percent_encode(event.id)},
                     {"ce-source", percent_encode(source)},
                     {"ce-type", cloud_event_type_of(event.token)},
                     {"ce-time", std::string(time)},
                     {"ce-subject", percent_encode(event.uid)},
                     {"Nats-Msg-Id", percent_encode(event.id)}};
  if (!event.traceparent.empty()) headers["traceparent"] = percent_encode(event.traceparent);
  return headers;
}

IncomingEvent event_of(std::string_view subject, const Headers& headers, std::string payload,
                       std::uint64_t stream_sequence, std::string_view stored_at) {
  IncomingEvent event;
  if (subject.starts_with(kSubjectPrefix)) subject.remove_prefix(kSubjectPrefix.size());
  const auto dot = subject.find('.');
  event.token = subject.substr(0, dot);
  if (dot != std::string_view::npos) event.uid = subject.substr(dot + 1);
  event.id = header(headers, "ce-id");
  if (event.id.empty()) event.id = header(headers, "Nats-Msg-Id");
  if (event.id.empty()) event.id = "unnamed/" + std::to_string(stream_sequence);
  event.time = header(headers, "ce-time");
  if (event.time.empty()) event.time = stored_at;
  event.traceparent = header(headers, "traceparent");
  event.payload = std::move(payload);
  event.stream_sequence = stream_sequence;
  return event;
}

std::string traceparent_of(std::string_view random_bytes) {
  return "00-" + to_hex(random_bytes.substr(0, 16)) + "-" + to_hex(random_bytes.substr(16, 8)) +
         "-01";
}

}  // namespace tunesmith::bus
