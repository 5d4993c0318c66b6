#include "bus/cloud_event.h"

#include "bus/base64url.h"

namespace tunesmith::bus {
namespace {

std::string header(const Headers& headers, const std::string& name) {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : percent_decode(found->second);
}

}  // namespace

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const unsigned char c : text) {
    if (c > 0x20 && c < 0x7f && c != '"' && c != '%') {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += kDigits[c >> 4];
      out += kDigits[c & 15];
    }
  }
  return out;
}

std::string percent_decode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEFabcdef";
  const auto value = [&](char c) { return kDigits.find(c); };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && value(text[i + 1]) != kDigits.npos &&
        value(text[i + 2]) != kDigits.npos) {
      const auto digit = [&](char c) { return value(c) < 16 ? value(c) : value(c) - 6; };
      out += static_cast<char>(digit(text[i + 1]) << 4 | digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
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
