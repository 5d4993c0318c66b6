#include "bus/ordered_reader.h"

#include "runtime/retry.h"

namespace tunesmith::bus {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kHeartbeat{10'000};
constexpr milliseconds kPause{100};  // between a break and the next start
constexpr std::int64_t kNanos = 1'000'000;
constexpr milliseconds kInactiveThreshold{
    60'000};  // the server forgets us that long after we are gone

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
  if (!consumer_.empty() && client_.connected()) {
    jsOptions once;
    jsOptions_Init(&once);
    once.Wait = 1'000;
    js_DeleteConsumer(client_.jetstream(), options_.stream.c_str(), consumer_.c_str(), &once,
                      nullptr);
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

  jsConsumerConfig config;
  jsConsumerConfig_Init(&config);
  config.DeliverSubject = inbox.c_str();
  config.FilterSubject = options_.filter.c_str();
  config.AckPolicy = js_AckNone;
  config.MaxDeliver = 1;
  config.FlowControl = true;
  config.Heartbeat = kHeartbeat.count() * kNanos;
  config.InactiveThreshold = kInactiveThreshold.count() * kNanos;
  config.HeadersOnly = options_.headers_only;
  config.MemoryStorage = true;
  config.Replicas = 1;
  config.DeliverPolicy = options_.from == From::kStart ? js_DeliverAll : js_DeliverLastPerSubject;
  if (last_sequence_ != 0) {
    config.DeliverPolicy = js_DeliverByStartSequence;
    config.OptStartSeq = last_sequence_ + 1;
  }
  jsConsumerInfo* raw = nullptr;
  auto made = client_.call("reading stream " + options_.stream, patience, [&](jsErrCode* code) {
    return js_AddConsumer(&raw, client_.jetstream(), options_.stream.c_str(), &config, nullptr,
                          code);
  });
  const ConsumerInfoHandle info(raw);
  if (!made) return tl::unexpected(made.error().failure);
  consumer_ = info->Name;
  last_consumer_sequence_ = 0;
  // The server may have pushed before it answered, so "nothing pending" alone does not mean the
  // end.
  at_end_ = info->NumPending == 0 && info->Delivered.Consumer == 0;
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
