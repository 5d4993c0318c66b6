// The pull protocol of one durable consumer: asks for one message at a time with expiry and
// heartbeat, notices silence and reconnects, and keeps what is in hand alive. Internal to bus/.
//
// Spoken by hand on core NATS rather than with natsSubscription_Fetch: 3.4.1's fetch overflows its
// buffer with batches, may return at once without a message, and cannot be interrupted by a stop.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>

#include "bus/nats_client.h"

namespace tunesmith::bus {

struct PullOptions {
  std::string stream{}, durable{};
  std::chrono::milliseconds expires{30'000};
  std::chrono::milliseconds heartbeat{10'000};
};

// run() is for one thread; the rest is thread-safe.
class PullLoop {
 public:
  struct Hooks {
    std::function<bool()> wants_more;                 // ask for another message?
    std::function<void(Message message)> on_message;  // quick: hands over
    std::function<void(Message message)> on_late;     // came when nobody wants one any more
    std::function<Result<void>()>
        ensure_durable;  // makes the consumer anew when the server lost it
    // Called between messages; returns when it wants to be called again at the latest.
    std::function<std::chrono::steady_clock::time_point(std::chrono::steady_clock::time_point now)>
        on_time;
  };

  PullLoop(NatsClient& client, PullOptions options, Hooks hooks);
  ~PullLoop();

  // Until `stop`. What arrives after that is given back to the server.
  void run(std::stop_token stop);
  // Looks again at wants_more and on_time.
  void wake() { mailbox_->wake(); }
  std::chrono::milliseconds since_last_round_trip() const;

 private:
  using Time = std::chrono::steady_clock::time_point;
  void ask(Time now);
  void handle(Message message, Time now);
  void status(const Message& message, Time now);
  void give_up(Time now, std::chrono::milliseconds pause, bool ensure);
  void heard(Time now);

  NatsClient& client_;
  PullOptions options_;
  Hooks hooks_;
  std::shared_ptr<Mailbox> mailbox_;
  std::unique_ptr<Subscription> subscription_;
  std::string inbox_{}, pull_subject_{}, request_{};
  std::uint64_t number_ = 0;  // of the request, the last token of its reply subject
  std::uint64_t reconnects_ = 0;
  bool asked_ = false;
  bool ensure_ = false;
  Time silent_at_{}, ask_at_{};
  mutable std::mutex mutex_;
  Time heard_at_;
};

}  // namespace tunesmith::bus
