#include "bus/nats_connection.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <random>

#include "bus/dead_letter.h"
#include "bus/nats_consumer.h"
#include "bus/nats_key_value.h"
#include "bus/ordered_reader.h"
#include "bus/permissions.h"
#include "bus/subject.h"
#include "bus/topology.h"
#include "runtime/text.h"

namespace tunesmith::bus {
namespace {

constexpr std::size_t kLargestPayload = 256u << 10;

std::string new_traceparent() {
  std::random_device device;
  std::string bytes;
  while (bytes.size() < 24) {
    const auto word = device();
    bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  return traceparent_of(bytes);
}

tl::unexpected<Failure> no_such_letter(std::uint64_t sequence) {
  return permanent("DeadLetterMissing",
                   "no dead letter " + std::to_string(sequence) + "; see `tunesmith dlq list`");
}

}  // namespace

ConnectionOptions ConnectionOptions::from_config(ConfigReader& config, std::string name) {
  ConnectionOptions options;
  options.name = std::move(name);
  options.url = config.text("nats_url", options.url);
  options.credentials_file = config.text("nats_credentials_file", "");
  options.user = config.text("nats_user", "");
  options.password_file = config.text("nats_password_file", "");
  options.ca_file = config.text("nats_ca_file", "");
  options.certificate_file = config.text("nats_certificate_file", "");
  options.key_file = config.text("nats_key_file", "");
  options.inbox_prefix =
      config.text("nats_inbox_prefix", options.user.empty() ? "" : inbox_prefix_of(options.user));
  options.ping_interval = config.duration("nats_ping_interval", options.ping_interval);
  options.store_limit_bytes = static_cast<std::uint64_t>(
      config.integer("nats_store_limit_bytes", 0, 0, std::int64_t{1} << 60));
  options.ack_wait = config.duration("ack_wait", options.ack_wait);
  options.in_progress_every = std::min(
      config.duration("in_progress_every", options.in_progress_every), options.ack_wait / 2);
  return options;
}

Result<std::unique_ptr<Connection>> Connection::open(const ConnectionOptions& options,
                                                     const Log& log, std::stop_token stop) {
  auto client = NatsClient::open(options, log, std::move(stop));
  if (!client) return tl::unexpected(client.error());
  return std::make_unique<NatsConnection>(std::move(*client), options);
}

NatsConnection::NatsConnection(std::unique_ptr<NatsClient> client, ConnectionOptions options)
    : client_(std::move(client)),
      options_(std::move(options)),
      objects_(*client_, 1, options_.store_limit_bytes),
      logs_(*client_) {}

Result<void> NatsConnection::publish(const OutgoingEvent& event) {
  if (event.payload.size() > kLargestPayload) {
    return permanent("EventTooLarge", "event " + event.id + " has " +
                                          std::to_string(event.payload.size()) +
                                          " bytes; the most is 262144");
  }
  if (!is_valid_token(event.token) || !is_valid_token(event.uid)) {
    return permanent("EventInvalid",
                     "event " + event.id + " has no uid that could stand in a subject");
  }
  OutgoingEvent traced = event;
  if (traced.traceparent.empty()) traced.traceparent = new_traceparent();
  Headers headers =
      headers_of(traced, "/tunesmith/" + options_.name, rfc3339(std::chrono::system_clock::now()));
  const std::string id = headers.at("Nats-Msg-Id");
  headers.erase("Nats-Msg-Id");  // store() writes it
  auto stored = client_->store(subject_of(event.token, event.uid), event.payload, headers,
                               {.message_id = id, .patience = options_.publish_timeout});
  if (!stored) return tl::unexpected(stored.error().failure);
  return {};
}

Result<std::unique_ptr<KeyValue>> NatsConnection::key_value(const std::string& bucket) {
  const std::string stream = "KV_" + bucket;
  jsStreamInfo* raw = nullptr;
  auto found =
      client_->call("looking for bucket " + bucket, NatsClient::kPatience, [&](jsErrCode* code) {
        return js_GetStreamInfo(&raw, client_->jetstream(), stream.c_str(), nullptr, code);
      });
  const StreamInfoHandle info(raw);
  if (!found) return tl::unexpected(found.error().failure);
  return std::make_unique<NatsKeyValue>(*client_, bucket);
}

Result<std::unique_ptr<Consumer>> NatsConnection::consume(const ConsumerOptions& options,
                                                          EventHandler handler) {
  ConsumerOptions timed = options;
  if (timed.ack_wait.count() == 0) timed.ack_wait = options_.ack_wait;
  if (timed.in_progress_every.count() == 0) {
    timed.in_progress_every = std::min(options_.in_progress_every, timed.ack_wait / 2);
  }
  const bool all = options.token.empty();
  return NatsConsumer::start(
      *client_,
      {.stream = kStream,
       .durable = all ? options.service : options.service + "_" + options.token,
       .filter = all ? std::string(kSubjectPrefix) + ">" : subject_of(options.token, "*")},
      timed, std::move(handler));
}

Result<void> NatsConnection::read_events(const std::string& uid, bool follow,
                                         const std::function<bool(const IncomingEvent&)>& on_event,
                                         std::stop_token stop) {
  OrderedReader reader(
      *client_, {.stream = kStream,
                 .filter = uid.empty() ? std::string(kSubjectPrefix) + ">" : subject_of("*", uid)});
  while (true) {
    auto stored = reader.next(follow, stop);
    if (!stored) return tl::unexpected(stored.error());
    if (!*stored) return {};
    Message& message = (*stored)->message;
    const auto event = event_of(message.subject, message.headers, std::move(message.data),
                                (*stored)->sequence, rfc3339_from_ns((*stored)->time_ns));
    if (!on_event(event)) return {};
  }
}

Result<std::unique_ptr<Consumer>> NatsConnection::collect_dead_letters(
    DeadLetterHandler on_dead_letter) {
  return start_dead_letter_collector(*client_,
                                     {.ack_wait = options_.ack_wait,
                                      .in_progress_every = options_.in_progress_every,
                                      .max_deliver = -1},  // one must not get lost itself
                                     std::move(on_dead_letter));
}

Result<std::vector<DeadLetter>> NatsConnection::dead_letters(std::size_t at_most) {
  OrderedReader reader(*client_, {.stream = kDeadLetterStream, .filter = "tunesmith.dlq.>"});
  std::deque<DeadLetter> newest;
  while (true) {
    auto stored = reader.next(false, client_->stopping());
    if (!stored) return tl::unexpected(stored.error());
    if (!*stored) break;
    newest.push_back(read_dead_letter((*stored)->message, (*stored)->sequence));
    if (newest.size() > at_most) newest.pop_front();
  }
  return std::vector<DeadLetter>(newest.begin(), newest.end());
}

Result<void> NatsConnection::replay(std::uint64_t dead_letter_sequence, std::int64_t unix_seconds) {
  auto stored = stored_message(*client_, kDeadLetterStream, dead_letter_sequence);
  if (!stored) return tl::unexpected(stored.error());
  if (!*stored) return no_such_letter(dead_letter_sequence);
  DeadLetter letter = read_dead_letter(**stored, dead_letter_sequence);
  return publish({.id = letter.event.id + "/replay-" + std::to_string(unix_seconds) + "-" +
                        std::to_string(dead_letter_sequence),
                  .token = letter.event.token,
                  .uid = letter.event.uid,
                  .payload = std::move(letter.event.payload),
                  .traceparent = letter.event.traceparent});
}

Result<void> NatsConnection::drop_dead_letter(std::uint64_t dead_letter_sequence) {
  const auto dropped = client_->call("dropping dead letter " + std::to_string(dead_letter_sequence),
                                     NatsClient::kPatience, [&](jsErrCode* code) {
                                       return js_DeleteMsg(client_->jetstream(), kDeadLetterStream,
                                                           dead_letter_sequence, nullptr, code);
                                     });
  if (dropped) return {};
  const int code = dropped.error().code;
  const bool missing = code == js_code::kMessageNotFound || code == js_code::kSequenceNotFound;
  return missing ? no_such_letter(dead_letter_sequence) : tl::unexpected(dropped.error().failure);
}

}  // namespace tunesmith::bus
