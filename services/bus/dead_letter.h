// Dead letters: messages of TUNESMITH_DLQ with the original bytes and headers, and why. Internal to
// bus/.
//
//   subject   tunesmith.dlq.<durable>.<uid>
//   headers   the original ones (its Nats-Msg-Id as Tunesmith-Original-Msg-Id), and
//   Tunesmith-Original-Subject, Tunesmith-Original-Sequence, Tunesmith-Consumer, Tunesmith-Class,
//             Tunesmith-Reason, Tunesmith-Message, Tunesmith-Time, percent-encoded
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "bus/connection.h"
#include "bus/nats_client.h"

namespace tunesmith::bus {

// Stored once per (consumer, sequence), however often it is told.
Result<void> store_dead_letter(NatsClient& client, const Message& original, std::uint64_t sequence,
                               const std::string& durable, const Failure& failure);

// What is said of an event over which `deaths` handlers of `durable` died.
Failure deliveries_exhausted(std::uint64_t deaths, const std::string& durable);

// A stored message by its sequence; nothing when it is not there any more.
Result<std::optional<Message>> stored_message(NatsClient& client, const std::string& stream,
                                              std::uint64_t sequence);

// Advisories of exhausted deliveries become dead letters; every dead letter is told to
// `on_dead_letter` (at least once).
Result<std::unique_ptr<Consumer>> start_dead_letter_collector(NatsClient& client,
                                                              const ConsumerOptions& options,
                                                              DeadLetterHandler on_dead_letter);

DeadLetter read_dead_letter(const Message& stored, std::uint64_t sequence);

}  // namespace tunesmith::bus
