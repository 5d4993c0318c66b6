#include "bus/nats_consumer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bus/consumer_request.h"
#include "bus/hand_backs.h"

namespace tunesmith::bus {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t kMostWaiting = 256;  // held for a later try; more go back to the server
constexpr std::int64_t kMostUnacknowledged = 1'000;
constexpr std::int64_t kNanos = 1'000'000;

std::string nak(milliseconds delay) {
  if (delay <= milliseconds(0)) return "-NAK";
  return "-NAK {\"delay\":" + std::to_string(delay.count() * kNanos) + "}";
}

}  // namespace

Result<std::unique_ptr<Consumer>> NatsConsumer::start(NatsClient& client, ConsumerSource source,
                                                      const ConsumerOptions& options,
                                                      EventHandler handler) {
  std::unique_ptr<NatsConsumer> consumer(
      new NatsConsumer(client, std::move(source), options, std::move(handler)));
  if (auto made = consumer->ensure_durable(); !made) return tl::unexpected(made.error());
  NatsConsumer* self = consumer.get();
  consumer->thread_ = std::thread([self] { self->pull_->run(self->stop_.get_token()); });
  return consumer;
}

NatsConsumer::NatsConsumer(NatsClient& client, ConsumerSource source, ConsumerOptions options,
                           EventHandler handler)
    : client_(client),
      source_(std::move(source)),
      options_(std::move(options)),
      handler_(std::move(handler)),
      tick_at_(steady_clock::now() + options_.in_progress_every),
      pull_(std::make_unique<PullLoop>(
          client, PullOptions{.stream = source_.stream, .durable = source_.durable},
          PullLoop::Hooks{.wants_more = [this] { return wants_more(); },
                          .on_message = [this](Message message) { accept(std::move(message)); },
                          .on_late = [this](const Message& late) { hand_back(late.reply); },
                          .ensure_durable = [this] { return ensure_durable(); },
                          .on_time = [this](Time now) { return on_time(now); }})),
      executor_(std::make_unique<KeyedExecutor>(options_.concurrency)) {}

NatsConsumer::~NatsConsumer() {
  stop_.request_stop();
  if (thread_.joinable()) thread_.join();
  executor_.reset();  // handlers end or hand back; what waits behind them hands back at once
  const std::scoped_lock lock(mutex_);
  for (const auto& [sequence, delivery] : open_) hand_back(delivery->reply);
  client_.flush(milliseconds(1'000));
}

Result<void> NatsConsumer::ensure_durable() {
  const int deliveries =
      options_.max_deliver < 0 ? -1 : options_.max_deliver + options_.max_hand_backs;
  const nlohmann::json config = {{"durable_name", source_.durable},
                                 {"name", source_.durable},
                                 {"filter_subject", source_.filter},
                                 {"deliver_policy", "all"},
                                 {"ack_policy", "explicit"},
                                 {"replay_policy", "instant"},
                                 {"ack_wait", options_.ack_wait.count() * kNanos},
                                 {"max_deliver", deliveries},
                                 {"max_ack_pending", kMostUnacknowledged}};
  auto made = create_consumer(client_, source_.stream, config, NatsClient::kPatience);
  if (!made) return tl::unexpected(made.error().failure);
  return {};
}

ConsumerStats NatsConsumer::stats() const {
  ConsumerStats stats;
  {
    const std::scoped_lock lock(mutex_);
    stats = stats_;
  }
  stats.since_last_round_trip = pull_->since_last_round_trip();
  return stats;
}

bool NatsConsumer::wants_more() const {
  const std::scoped_lock lock(mutex_);
  return open_.size() - waiting_ < static_cast<std::size_t>(options_.concurrency);
}

void NatsConsumer::accept(Message message) {
  const auto info = delivery_info(message.reply);
  if (!info) return;
  auto delivery = std::make_shared<Delivery>();
  delivery->event = event_of(message.subject, message.headers, message.data, info->stream_sequence,
                             rfc3339_from_ns(info->time_ns));
  delivery->event.deliveries = info->deliveries;
  delivery->reply = message.reply;
  delivery->message = std::move(message);
  {
    const std::scoped_lock lock(mutex_);
    if (info->deliveries > 1) ++stats_.redelivered;
    const auto known = open_.find(info->stream_sequence);
    if (known != open_.end()) {
      // It came again although it is in hand (this process stood still for longer than the ack
      // wait): the newest reply counts.
      known->second->reply = delivery->reply;
      return;
    }
    // A request given up as silent may be answered late: more than was asked for goes to whoever
    // has room.
    if (open_.size() - waiting_ >= static_cast<std::size_t>(options_.concurrency)) {
      hand_back(delivery->reply);
      return;
    }
    open_.emplace(info->stream_sequence, delivery);
  }
  submit(delivery);
}

void NatsConsumer::submit(const DeliveryPtr& delivery) {
  executor_->submit(delivery->event.uid, [this, delivery] { handle(delivery); });
}

// Handlers that died over this event. Few deliveries cannot be too many deaths: the server is asked
// only when they could.
Result<std::uint64_t> NatsConsumer::deaths_before(const IncomingEvent& event) {
  const std::uint64_t before = event.deliveries - 1;
  if (options_.max_deliver < 0 ||
      event.deliveries < static_cast<std::uint64_t>(options_.max_deliver))
    return before;
  auto handed_back = hand_backs(client_, source_.durable, event.stream_sequence);
  if (!handed_back) return handed_back;
  return before - std::min(before, *handed_back);
}

Disposition NatsConsumer::run_handler(const IncomingEvent& event, std::uint64_t deaths) {
  try {
    return handler_(event, stop_.get_token());
  } catch (const std::exception& e) {
    // A bug. Counted like a handler that died: tried again by the server until its deliveries are
    // used up.
    client_.log().error("a handler threw", {{"event", event.id}, {"problem", e.what()}});
    const Failure failure{FailureClass::kPoison, "HandlerFailed",
                          std::string("the handler threw: ") + e.what()};
    if (deaths + 1 >= static_cast<std::uint64_t>(options_.max_deliver)) {
      return Disposition::dead(failure);
    }
    return {Disposition::Kind::kHandBack, milliseconds(1'000) * (deaths + 1), failure};
  }
}

void NatsConsumer::handle(const DeliveryPtr& delivery) {
  if (stop_.stop_requested()) return settle(delivery, Disposition::hand_back());
  const auto deaths = deaths_before(delivery->event);
  if (!deaths) return hold(delivery, milliseconds(5'000));
  if (options_.max_deliver >= 0 && *deaths >= static_cast<std::uint64_t>(options_.max_deliver)) {
    return bury(delivery, deliveries_exhausted(*deaths, source_.durable));
  }
  settle(delivery, run_handler(delivery->event, *deaths));
}

void NatsConsumer::settle(const DeliveryPtr& delivery, const Disposition& disposition) {
  switch (disposition.kind) {
    case Disposition::Kind::kDone:
      return close(delivery, "+ACK");
    case Disposition::Kind::kHandBack:
      if (disposition.failure.reason.empty()) {
        note_hand_back(client_, source_.durable, delivery->event.stream_sequence);
      }
      return close(delivery, nak(disposition.delay));
    case Disposition::Kind::kRetry:
      return hold(delivery, disposition.delay);
    case Disposition::Kind::kDead:
      return bury(delivery, disposition.failure);
  }
}

void NatsConsumer::hand_back(const std::string& reply) {
  if (const auto info = delivery_info(reply)) {
    note_hand_back(client_, source_.durable, info->stream_sequence);
  }
  client_.send(reply, "", nak({}));
}

// Tells the server and forgets. A lost answer means another delivery, nothing worse.
void NatsConsumer::close(const DeliveryPtr& delivery, const std::string& answer) {
  {
    const std::scoped_lock lock(mutex_);
    client_.send(delivery->reply, "", answer);
    open_.erase(delivery->event.stream_sequence);
    if (answer == "+ACK") ++stats_.handled;
    if (answer == "+TERM") ++stats_.dead;
    if (answer.starts_with("-NAK")) ++stats_.handed_back;
  }
  pull_->wake();
}

// A later try does not go through the server: every redelivery counts there, and max_deliver is for
// handlers that died.
void NatsConsumer::hold(const DeliveryPtr& delivery, milliseconds delay) {
  std::unique_lock lock(mutex_);
  ++stats_.retried;
  if (waiting_ >= kMostWaiting) {
    lock.unlock();
    note_hand_back(client_, source_.durable, delivery->event.stream_sequence);
    return close(delivery, nak(std::max(delay, milliseconds(1))));
  }
  delivery->waiting = true;
  delivery->run_at = steady_clock::now() + std::max(delay, milliseconds(1));
  ++waiting_;
  lock.unlock();
  pull_->wake();
}

void NatsConsumer::bury(const DeliveryPtr& delivery, const Failure& failure) {
  client_.log().error("dead letter", {{"event", delivery->event.id},
                                      {"consumer", source_.durable},
                                      {"reason", failure.reason},
                                      {"detail", failure.message}});
  auto buried = store_dead_letter(client_, delivery->message, delivery->event.stream_sequence,
                                  source_.durable, failure);
  if (!buried) return hold(delivery, milliseconds(5'000));  // it must not be lost
  close(delivery, "+TERM");
}

NatsConsumer::Time NatsConsumer::on_time(Time now) {
  std::vector<DeliveryPtr> due;
  Time next;
  {
    const std::scoped_lock lock(mutex_);
    if (now >= tick_at_) {
      for (const auto& [sequence, delivery] : open_) client_.send(delivery->reply, "", "+WPI");
      tick_at_ = now + options_.in_progress_every;
    }
    next = tick_at_;
    for (const auto& [sequence, delivery] : open_) {
      if (!delivery->waiting) continue;
      if (delivery->run_at > now) {
        next = std::min(next, delivery->run_at);
        continue;
      }
      delivery->waiting = false;
      --waiting_;
      due.push_back(delivery);
    }
  }
  for (const auto& delivery : due) submit(delivery);
  return next;
}

}  // namespace tunesmith::bus
