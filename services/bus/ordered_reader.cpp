#include "bus/ordered_reader.h"

#include <nlohmann/json.hpp>

#include "bus/consumer_request.h"
#include "runtime/retry.h"

namespace tunesmith::bus {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kHeartbeat{10'000};
constexpr milliseconds kPause{100};  // between a break and the next start
constexpr std::int64_t kNanos = 1'000'000;
constexpr milliseconds kInactiveThreshold{
    15'000};  // the server forgets us that long after we are gone

}  // namespace

OrderedReader::OrderedReader(NatsClient& client, Options options)
    : client_(client), options_(std::move(options)), mailbox_(std::make_shared<Mailbox>()) {
  client_.wake_on_reconnect(mailbox_);
}

OrderedReader::~OrderedReader() {
  client_.forget(mailbox_);
  abandon();
}

void OrderedReader::abandon() {
  // Only on buckets, where nobody has durables: the right to delete consumers is one to all of a
  // stream. Elsewhere the server forgets this one by itself.
  if (!consumer_.empty() && options_.stream.starts_with("KV_") && client_.connected()) {
    client_.send("$JS.API.CONSUMER.DELETE." + options_.stream + "." + consumer_, "", "");
  }
  consumer_.clear();
  if (!subscription_) return;
  subscription_.reset();
  client_.forget(mailbox_);
  mailbox_ = std::make_shared<Mailbox>();  // what the old consumer still sent is not wanted
  client_.wake_on_reconnect(mailbox_);
}

Result<void> OrderedReader::start(milliseconds patience) {
  abandon();
  reconnects_ = client_.reconnects();
  const std::string inbox = client_.new_inbox();
  auto subscribed = Subscription::open(client_.connection(), inbox, mailbox_);
  if (!subscribed) return tl::unexpected(subscribed.error());
  subscription_ = std::move(*subscribed);

  // A stream that ends before what we have read was made anew: read it from its start.
  jsStreamInfo* raw_stream = nullptr;
  auto looked =
      client_.call("looking at stream " + options_.stream, patience, [&](jsErrCode* code) {
        return js_GetStreamInfo(&raw_stream, client_.jetstream(), options_.stream.c_str(), nullptr,
                                code);
      });
  const StreamInfoHandle stream(raw_stream);
  if (!looked) return tl::unexpected(looked.error().failure);
  if (stream->State.LastSeq < last_sequence_) last_sequence_ = 0;

  nlohmann::json config = {
      {"name", client_.new_nuid()},
      {"deliver_subject", inbox},
      {"filter_subject", options_.filter},
      {"deliver_policy", options_.from == From::kStart ? "all" : "last_per_subject"},
      {"ack_policy", "none"},
      {"replay_policy", "instant"},
      {"max_deliver", 1},
      {"flow_control", true},
      {"idle_heartbeat", kHeartbeat.count() * kNanos},
      {"inactive_threshold", kInactiveThreshold.count() * kNanos},
      {"headers_only", options_.headers_only},
      {"mem_storage", true},
      {"num_replicas", 1}};
  if (last_sequence_ != 0) {
    config["deliver_policy"] = "by_start_sequence";
    config["opt_start_seq"] = last_sequence_ + 1;
  }
  const auto made = create_consumer(client_, options_.stream, config, patience);
  if (!made) return tl::unexpected(made.error().failure);
  consumer_ = made->name;
  last_consumer_sequence_ = 0;
  // The server may have pushed before it answered, so "nothing pending" alone does not mean the
  // end.
  at_end_ = made->pending == 0 && made->delivered == 0;
  broken_ = false;
  heard_at_ = steady_clock::now();
  return {};
}

// The message, or nothing when it was the server's housekeeping or shows a gap.
std::optional<StoredMessage> OrderedReader::accept(Message message) {
  heard_at_ = steady_clock::now();
  if (message.status() == "100") {
    if (!message.reply.empty()) client_.send(message.reply, "", "");  // flow control
    const std::string stalled = message.header("Nats-Consumer-Stalled");
    if (!stalled.empty()) client_.send(stalled, "", "");
    const std::string last = message.header("Nats-Last-Consumer");
    if (!last.empty() && last != std::to_string(last_consumer_sequence_)) broken_ = true;
    return std::nullopt;
  }
  const auto info = delivery_info(message.reply);
  if (!info || info->consumer != consumer_) {
    broken_ = broken_ || !message.status().empty();
    return std::nullopt;
  }
  if (info->consumer_sequence != last_consumer_sequence_ + 1) {
    broken_ = true;
    return std::nullopt;
  }
  last_consumer_sequence_ = info->consumer_sequence;
  last_sequence_ = info->stream_sequence;
  at_end_ = info->pending == 0;
  return StoredMessage{std::move(message), info->stream_sequence, info->time_ns, info->pending};
}

Result<std::optional<StoredMessage>> OrderedReader::next(bool follow, std::stop_token stop) {
  while (!stop.stop_requested()) {
    const bool silent = steady_clock::now() > heard_at_ + 2 * kHeartbeat + milliseconds(2'000);
    if (consumer_.empty() || broken_ || silent || reconnects_ != client_.reconnects()) {
      if (broken_ && !wait_for(kPause, stop)) break;
      // Short tries while following: a stop must be noticed between them.
      const bool keep_trying = follow || options_.keep_trying;
      auto started = start(keep_trying ? NatsClient::kStoppingPatience : NatsClient::kPatience);
      if (!started) {
        if (!keep_trying || started.error().failure_class != FailureClass::kTransient) {
          return tl::unexpected(started.error());
        }
        broken_ = true;
        continue;
      }
    }
    if (at_end_ && !follow) return std::nullopt;
    auto message = mailbox_->wait_until(heard_at_ + 2 * kHeartbeat + milliseconds(2'001), stop);
    if (!message) continue;
    if (auto stored = accept(std::move(*message))) return stored;
  }
  if (follow) return std::nullopt;
  return transient("Stopped", "stopped while reading stream " + options_.stream);
}

}  // namespace tunesmith::bus
