#include "bus/mailbox.h"

namespace tunesmith::bus {
namespace {

// The closure of a subscription: lives until nats.c says that the last message was delivered.
using Closure = std::shared_ptr<Mailbox>;

void on_message(natsConnection*, natsSubscription*, natsMsg* msg, void* closure) {
  static_cast<Closure*>(closure)->get()->push(to_message(msg));
  natsMsg_Destroy(msg);
}

void on_complete(void* closure) { delete static_cast<Closure*>(closure); }

constexpr std::int64_t kDrainMs = 1'000;

}  // namespace

void Mailbox::push(Message message) {
  const std::scoped_lock lock(mutex_);
  messages_.push_back(std::move(message));
  changed_.notify_one();
}

void Mailbox::wake() {
  const std::scoped_lock lock(mutex_);
  woken_ = true;
  changed_.notify_one();
}

std::optional<Message> Mailbox::wait_until(std::chrono::steady_clock::time_point deadline,
                                           std::stop_token stop) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, stop, deadline, [&] { return woken_ || !messages_.empty(); });
  woken_ = false;
  if (messages_.empty()) return std::nullopt;
  Message message = std::move(messages_.front());
  messages_.pop_front();
  return message;
}

Result<std::unique_ptr<Subscription>> Subscription::open(natsConnection* connection,
                                                         const std::string& subject,
                                                         std::shared_ptr<Mailbox> mailbox) {
  auto closure = std::make_unique<Closure>(std::move(mailbox));
  natsSubscription* handle = nullptr;
  natsStatus s =
      natsConnection_Subscribe(&handle, connection, subject.c_str(), on_message, closure.get());
  if (s == NATS_OK) {
    // The queue that may grow is ours; who fills it is bounded by flow control or by one pull at a
    // time.
    natsSubscription_SetPendingLimits(handle, -1, -1);
    s = natsSubscription_SetOnCompleteCB(handle, on_complete, closure.get());
    if (s == NATS_OK) {
      static_cast<void>(closure.release());  // on_complete deletes it
      return std::unique_ptr<Subscription>(new Subscription(connection, handle));
    }
  }
  natsSubscription_Destroy(handle);
  return transient("BusUnavailable",
                   "cannot subscribe to " + subject + ": " + natsStatus_GetText(s));
}

Subscription::~Subscription() {
  // Never destroyed while traffic flows: nats.c before 3.6.1 may crash then. Without a connection
  // there is none, and nobody to wait for.
  if (natsConnection_Status(connection_) != NATS_CONN_STATUS_CONNECTED) {
    natsSubscription_Unsubscribe(handle_);
  } else if (natsSubscription_DrainTimeout(handle_, kDrainMs) == NATS_OK) {
    natsSubscription_WaitForDrainCompletion(handle_, 2 * kDrainMs);
  }
  natsSubscription_Destroy(handle_);
}

}  // namespace tunesmith::bus
