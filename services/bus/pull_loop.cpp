#include "bus/pull_loop.h"

#include <nlohmann/json.hpp>

namespace tunesmith::bus {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kFloor{50};          // between a request that brought nothing and the next
constexpr milliseconds kAfterTrouble{500};  // when the server refused

}  // namespace

PullLoop::PullLoop(NatsClient& client, PullOptions options, Hooks hooks)
    : client_(client),
      options_(std::move(options)),
      hooks_(std::move(hooks)),
      mailbox_(std::make_shared<Mailbox>()),
      inbox_(client.new_inbox()),
      pull_subject_("$JS.API.CONSUMER.MSG.NEXT." + options_.stream + "." + options_.durable),
      heard_at_(steady_clock::now()) {
  const auto nanos = [](milliseconds time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
  };
  request_ = nlohmann::json{{"batch", 1},
                            {"expires", nanos(options_.expires)},
                            {"idle_heartbeat", nanos(options_.heartbeat)}}
                 .dump();
  client_.wake_on_reconnect(mailbox_);
}

PullLoop::~PullLoop() { client_.forget(mailbox_); }

milliseconds PullLoop::since_last_round_trip() const {
  const std::scoped_lock lock(mutex_);
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - heard_at_);
}

void PullLoop::heard(Time now) {
  const std::scoped_lock lock(mutex_);
  heard_at_ = now;
}

void PullLoop::ask(Time now) {
  client_.send(pull_subject_, inbox_ + "." + std::to_string(++number_), request_);
  asked_ = true;
  silent_at_ = now + 2 * options_.heartbeat + options_.heartbeat / 5;
}

// The request is answered without a message: the next one not before `pause`.
void PullLoop::give_up(Time now, milliseconds pause, bool ensure) {
  asked_ = false;
  ensure_ = ensure_ || ensure;
  ask_at_ = now + pause;
}

void PullLoop::status(const Message& message, Time now) {
  const auto number = message.subject.substr(message.subject.rfind('.') + 1);
  if (number != std::to_string(number_)) return;  // of a request given up before
  const std::string code = message.status();
  if (code == "100") {
    silent_at_ = now + 2 * options_.heartbeat + options_.heartbeat / 5;
  } else if (code == "404" || code == "408") {
    give_up(now, kFloor, false);
  } else {
    // 409: leader changed, server stops, consumer deleted; 503: nobody serves this consumer.
    client_.log().debug("pull refused", {{"consumer", options_.durable},
                                         {"status", code},
                                         {"description", message.header("Description")}});
    give_up(now, kAfterTrouble, true);
    return;
  }
  heard(now);
}

void PullLoop::handle(Message message, Time now) {
  if (!message.status().empty()) return status(message, now);
  asked_ = false;
  heard(now);
  hooks_.on_message(std::move(message));
}

void PullLoop::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    Time now = steady_clock::now();
    Time next = hooks_.on_time(now);
    if (!subscription_) {
      auto opened = Subscription::open(client_.connection(), inbox_ + ".*", mailbox_);
      if (opened) subscription_ = std::move(*opened);
    }
    if (reconnects_ != client_.reconnects()) {
      reconnects_ = client_.reconnects();
      give_up(now, kFloor,
              true);  // requests do not survive a connection, consumers may not survive a server
    }
    if (asked_ && now >= silent_at_) give_up(now, kFloor, true);
    if (!asked_ && now >= ask_at_ && subscription_ && client_.connected() && hooks_.wants_more()) {
      if (ensure_) {
        ensure_ = !hooks_.ensure_durable().has_value();
        now = steady_clock::now();
      }
      if (ensure_) {
        ask_at_ = now + kAfterTrouble;
      } else {
        ask(now);
      }
    }
    if (asked_) {
      next = std::min(next, silent_at_);
    } else if (ask_at_ > now) {
      next = std::min(next, ask_at_);
    }
    if (auto message = mailbox_->wait_until(next, stop)) {
      handle(std::move(*message), steady_clock::now());
    }
  }
  subscription_.reset();
  while (auto late = mailbox_->wait_until(Time{}, {})) {
    if (late->status().empty() && !late->reply.empty()) hooks_.on_late(std::move(*late));
  }
}

}  // namespace tunesmith::bus
