// From the server's advisories to dead letters to whoever wants to know.
#include <nlohmann/json.hpp>
#include <utility>

#include "bus/dead_letter.h"
#include "bus/nats_consumer.h"
#include "bus/topology.h"

namespace tunesmith::bus {

Result<std::optional<Message>> stored_message(NatsClient& client, const std::string& stream,
                                              std::uint64_t sequence) {
  natsMsg* raw = nullptr;
  auto read = client.call("reading " + stream + " " + std::to_string(sequence),
                          NatsClient::kPatience, [&](jsErrCode* code) {
                            return js_GetMsg(&raw, client.jetstream(), stream.c_str(), sequence,
                                             nullptr, code);
                          });
  const MsgHandle msg(raw);
  if (read) return to_message(raw);
  if (read.error().code == js_code::kMessageNotFound) return std::nullopt;
  return tl::unexpected(read.error().failure);
}

namespace {

constexpr std::chrono::milliseconds kAgain{5'000};

// What the server tells of a message that it will not deliver any more.
struct Advisory {
  std::string stream, consumer;
  std::uint64_t sequence = 0, deliveries = 0;
};

std::optional<Advisory> read_advisory(const std::string& json) {
  try {
    const auto object = nlohmann::json::parse(json);
    return Advisory{.stream = object.at("stream").get<std::string>(),
                    .consumer = object.at("consumer").get<std::string>(),
                    .sequence = object.at("stream_seq").get<std::uint64_t>(),
                    .deliveries = object.value("deliveries", std::uint64_t{0})};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

Disposition bury_exhausted(NatsClient& client, const IncomingEvent& event) {
  const auto advisory = read_advisory(event.payload);
  if (!advisory || advisory->stream != kStream) return Disposition::done();
  auto original = stored_message(client, kStream, advisory->sequence);
  if (!original) return Disposition::retry(kAgain);
  if (!*original) return Disposition::done();  // older than the stream's limits
  const Failure failure = deliveries_exhausted(advisory->deliveries, advisory->consumer);
  auto buried =
      store_dead_letter(client, **original, advisory->sequence, advisory->consumer, failure);
  return buried ? Disposition::done() : Disposition::retry(kAgain);
}

class DeadLetterCollector final : public Consumer {
 public:
  DeadLetterCollector(std::unique_ptr<Consumer> advisories, std::unique_ptr<Consumer> notices)
      : advisories_(std::move(advisories)), notices_(std::move(notices)) {}
  ConsumerStats stats() const override {
    ConsumerStats stats = notices_->stats();
    stats.since_last_round_trip =
        std::max(stats.since_last_round_trip, advisories_->stats().since_last_round_trip);
    return stats;
  }

 private:
  std::unique_ptr<Consumer> advisories_, notices_;
};

}  // namespace

Result<std::unique_ptr<Consumer>> start_dead_letter_collector(NatsClient& client,
                                                              const ConsumerOptions& options,
                                                              DeadLetterHandler on_dead_letter) {
  auto advisories =
      NatsConsumer::start(client,
                          {.stream = kAdvisoryStream,
                           .durable = "dead-letter-collector",
                           .filter = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>"},
                          options, [&client](const IncomingEvent& event, const std::stop_token&) {
                            return bury_exhausted(client, event);
                          });
  if (!advisories) return advisories;
  auto notices = NatsConsumer::start(
      client,
      {.stream = kDeadLetterStream, .durable = "dead-letter-notice", .filter = "tunesmith.dlq.>"},
      options,
      [&client, tell = std::move(on_dead_letter)](const IncomingEvent& event,
                                                  const std::stop_token&) {
        auto stored = stored_message(client, kDeadLetterStream, event.stream_sequence);
        if (!stored) return Disposition::retry(kAgain);
        if (!*stored) return Disposition::done();  // removed by hand
        return tell(read_dead_letter(**stored, event.stream_sequence));
      });
  if (!notices) return notices;
  return std::make_unique<DeadLetterCollector>(std::move(*advisories), std::move(*notices));
}

}  // namespace tunesmith::bus
