// Where nats.c's threads put messages and our threads take them.
#pragma once

#include <nats/nats.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "bus/nats_message.h"
#include "runtime/result.h"

namespace tunesmith::bus {

// A queue of messages with one reader. Thread-safe.
class Mailbox {
 public:
  void push(Message message);
  // Ends the reader's present or next wait early.
  void wake();
  // The next message; nothing when woken, stopped or at the deadline.
  std::optional<Message> wait_until(std::chrono::steady_clock::time_point deadline,
                                    std::stop_token stop);

 private:
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Message> messages_;
  bool woken_ = false;
};

// A subscription that fills a mailbox. Its destructor drains it: what had arrived is in the mailbox
// then and nothing comes any more.
class Subscription {
 public:
  static Result<std::unique_ptr<Subscription>> open(natsConnection* connection,
                                                    const std::string& subject,
                                                    std::shared_ptr<Mailbox> mailbox);
  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

 private:
  Subscription(natsConnection* connection, natsSubscription* handle)
      : connection_(connection), handle_(handle) {}
  natsConnection* connection_;
  natsSubscription* handle_;
};

}  // namespace tunesmith::bus
