// Deliveries that a stopping service gave back. The server counts them like those that killed their
// handlers; this tells them apart. Internal to bus/.
//
// One empty message per delivery given back, subject `tunesmith.handback.<durable>.<sequence>`, in
// TUNESMITH_ADVISORIES. A note that gets lost makes one delivery look like a death, nothing worse.
#pragma once

#include <cstdint>
#include <string>

#include "bus/nats_client.h"

namespace tunesmith::bus {

// Sends without waiting.
void note_hand_back(NatsClient& client, const std::string& durable, std::uint64_t sequence);

// How often this message was given back by this consumer. Transient `BusUnavailable`.
Result<std::uint64_t> hand_backs(NatsClient& client, const std::string& durable,
                                 std::uint64_t sequence);

}  // namespace tunesmith::bus
