// Messages as values, and what JetStream writes into their reply subject.
#pragma once

#include <nats/nats.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "bus/cloud_event.h"

namespace tunesmith::bus {

struct Message {
  std::string subject, reply, data;
  Headers headers;
  std::uint64_t sequence = 0;  // of stored messages that were asked for by sequence or subject
  std::int64_t time_ns = 0;    // likewise: when it was stored, since 1970

  // "100" heartbeat or flow control, "404", "408", "409", "503"; empty for a message.
  std::string status() const;
  std::string header(const std::string& name) const;  // empty when absent
};

Message to_message(natsMsg* msg);  // copies; the caller keeps `msg`

// What stands in `$JS.ACK.…` (both published forms: 9 tokens, or 12 with domain and account).
struct DeliveryInfo {
  std::string stream, consumer;
  std::uint64_t deliveries = 0, stream_sequence = 0, consumer_sequence = 0, pending = 0;
  std::int64_t time_ns = 0;
};
std::optional<DeliveryInfo> delivery_info(std::string_view reply);

std::string rfc3339_from_ns(std::int64_t time_ns);

template <auto Destroy>
struct NatsDelete {
  template <typename T>
  void operator()(T* object) const {
    Destroy(object);
  }
};
using MsgHandle = std::unique_ptr<natsMsg, NatsDelete<natsMsg_Destroy>>;
using StreamInfoHandle = std::unique_ptr<jsStreamInfo, NatsDelete<jsStreamInfo_Destroy>>;
using ConsumerInfoHandle = std::unique_ptr<jsConsumerInfo, NatsDelete<jsConsumerInfo_Destroy>>;
using PubAckHandle = std::unique_ptr<jsPubAck, NatsDelete<jsPubAck_Destroy>>;

}  // namespace tunesmith::bus
