#include "bus/dead_letter.h"

#include <chrono>

#include "bus/subject.h"
#include "bus/topology.h"
#include "runtime/failure_class.h"
#include "runtime/percent.h"
#include "runtime/text.h"

namespace tunesmith::bus {
namespace {

constexpr const char* kOriginalId = "Tunesmith-Original-Msg-Id";
constexpr const char* kOriginalSubject = "Tunesmith-Original-Subject";
constexpr const char* kOriginalSequence = "Tunesmith-Original-Sequence";
constexpr const char* kConsumer = "Tunesmith-Consumer";
constexpr const char* kClass = "Tunesmith-Class";
constexpr const char* kReason = "Tunesmith-Reason";
constexpr const char* kMessage = "Tunesmith-Message";
constexpr const char* kTime = "Tunesmith-Time";

}  // namespace

Failure deliveries_exhausted(std::uint64_t deaths, const std::string& durable) {
  return {FailureClass::kPoison, "DeliveriesExhausted",
          std::to_string(deaths) + " handlers of " + durable +
              " ended without an answer to this event; see their logs, then replay it with "
              "`tunesmith dlq replay`"};
}

Result<void> store_dead_letter(NatsClient& client, const Message& original, std::uint64_t sequence,
                               const std::string& durable, const Failure& failure) {
  Headers headers = original.headers;
  const auto id = headers.find("Nats-Msg-Id");
  if (id != headers.end()) {
    headers[kOriginalId] = id->second;
    headers.erase("Nats-Msg-Id");
  }
  headers[kOriginalSubject] = percent_encode(original.subject);
  headers[kOriginalSequence] = std::to_string(sequence);
  headers[kConsumer] = percent_encode(durable);
  headers[kClass] = name_of(failure.failure_class);
  headers[kReason] = percent_encode(failure.reason);
  headers[kMessage] = percent_encode(failure.message.substr(0, 4'096));
  headers[kTime] = rfc3339(std::chrono::system_clock::now());

  const std::string uid = original.subject.substr(original.subject.rfind('.') + 1);
  const std::string subject =
      "tunesmith.dlq." + durable + "." + (is_valid_token(uid) ? uid : "unknown");
  auto stored = client.store(subject, original.data, headers,
                             {.message_id = "dlq/" + durable + "/" + std::to_string(sequence)});
  if (!stored) return tl::unexpected(stored.error().failure);
  return {};
}

DeadLetter read_dead_letter(const Message& stored, std::uint64_t sequence) {
  const auto text = [&](const char* name) { return percent_decode(stored.header(name)); };
  DeadLetter letter;
  letter.sequence = sequence;
  const std::string original = stored.header(kOriginalSequence);
  letter.event = event_of(text(kOriginalSubject), stored.headers, stored.data,
                          original.empty() ? 0 : std::strtoull(original.c_str(), nullptr, 10),
                          stored.header(kTime));
  letter.consumer = text(kConsumer);
  letter.failure = {
      .failure_class = FailureClass::kPoison, .reason = text(kReason), .message = text(kMessage)};
  const std::string failure_class = stored.header(kClass);
  if (failure_class == "Permanent") letter.failure.failure_class = FailureClass::kPermanent;
  if (failure_class == "Transient") letter.failure.failure_class = FailureClass::kTransient;
  letter.time = stored.header(kTime);
  return letter;
}

}  // namespace tunesmith::bus
