#include "bus/nats_message.h"

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <vector>

#include "runtime/text.h"

namespace tunesmith::bus {

std::string Message::status() const { return header("Status"); }

std::string Message::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

Message to_message(natsMsg* msg) {
  Message out;
  out.subject = natsMsg_GetSubject(msg);
  if (const char* reply = natsMsg_GetReply(msg)) out.reply = reply;
  out.data.assign(natsMsg_GetData(msg), static_cast<std::size_t>(natsMsg_GetDataLength(msg)));
  out.sequence = natsMsg_GetSequence(msg);
  out.time_ns = natsMsg_GetTime(msg);
  const char** keys = nullptr;
  int count = 0;
  if (natsMsgHeader_Keys(msg, &keys, &count) == NATS_OK) {
    for (int i = 0; i < count; ++i) {
      const char* value = nullptr;
      if (natsMsgHeader_Get(msg, keys[i], &value) == NATS_OK && value != nullptr) {
        out.headers[keys[i]] = value;
      }
    }
    std::free(keys);  // NOLINT: nats.c hands over an array made by malloc
  }
  return out;
}

std::optional<DeliveryInfo> delivery_info(std::string_view reply) {
  if (!reply.starts_with("$JS.ACK.")) return std::nullopt;
  std::vector<std::string_view> tokens;
  for (std::size_t start = 0; start <= reply.size();) {
    const auto dot = std::min(reply.find('.', start), reply.size());
    tokens.push_back(reply.substr(start, dot - start));
    start = dot + 1;
  }
  // $JS.ACK.[domain.account.]stream.consumer.delivered.stream_seq.consumer_seq.time.pending[.random]
  if (tokens.size() != 9 && tokens.size() < 11) return std::nullopt;
  const std::size_t first = tokens.size() == 9 ? 2 : 4;
  DeliveryInfo info;
  info.stream = tokens[first];
  info.consumer = tokens[first + 1];
  const auto number = [&](std::size_t index, auto& out) {
    const auto token = tokens[first + index];
    const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), out);
    return error == std::errc() && end == token.data() + token.size();
  };
  if (!number(2, info.deliveries) || !number(3, info.stream_sequence) ||
      !number(4, info.consumer_sequence) || !number(5, info.time_ns) || !number(6, info.pending)) {
    return std::nullopt;
  }
  return info;
}

std::string rfc3339_from_ns(std::int64_t time_ns) {
  const auto since = std::chrono::nanoseconds(time_ns);
  return rfc3339(std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(since)));
}

}  // namespace tunesmith::bus
