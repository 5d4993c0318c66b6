// Creating consumers by requests of our own: the subject then says what is asked for, so that a
// server can hold it against a user's permissions whatever the client library's version would
// choose. Internal to bus/.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bus/nats_client.h"

namespace tunesmith::bus {

// A consumer as the server describes it.
struct ConsumerFacts {
  std::string name{};
  std::uint64_t pending = 0;    // matching messages not delivered yet
  std::uint64_t delivered = 0;  // to this consumer
};

// `config` is the server's ConsumerConfig with name and filter_subject (nats-server, jsapi). They
// stand in the subject as well, `…CONSUMER.CREATE.<stream>.<name>.<filter>`, and the server insists
// that both say the same. (Without them in the subject, a request may change any consumer of the
// stream.)
tl::expected<ConsumerFacts, CallFailure> create_consumer(NatsClient& client,
                                                         const std::string& stream,
                                                         const nlohmann::json& config,
                                                         std::chrono::milliseconds patience);

}  // namespace tunesmith::bus
