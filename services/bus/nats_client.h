// The process's connection to NATS, and JetStream calls that are repeated until the server has
// answered. Internal to bus/.
#pragma once

#include <nats/nats.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>

#include "bus/connection.h"
#include "bus/mailbox.h"
#include "bus/nats_message.h"
#include "runtime/log.h"
#include "runtime/result.h"

namespace tunesmith::bus {

// What a call came to when it did not succeed: the failure to pass on, and the server's own number
// for it (0 = none).
struct CallFailure {
  Failure failure;
  int code = 0;
};

struct StoreOptions {
  std::string message_id{};  // empty = a random one: a repeated try is stored once
  std::optional<std::uint64_t> last_subject_sequence{};  // compare-and-set; 0 = no message yet
  std::chrono::milliseconds patience{15'000};
};

// Thread-safe.
class NatsClient {
 public:
  // How long calls other than publish() are repeated, and how long anything is once the process
  // stops.
  static constexpr std::chrono::milliseconds kPatience{15'000};
  static constexpr std::chrono::milliseconds kStoppingPatience{2'000};
  static constexpr std::chrono::milliseconds kOneTry{3'000};  // for one answer of the server

  static Result<std::unique_ptr<NatsClient>> open(const ConnectionOptions& options, const Log& log,
                                                  std::stop_token stop);
  ~NatsClient();

  bool connected() const;
  natsConnection* connection() const { return connection_; }
  jsCtx* jetstream() const { return jetstream_; }
  const Log& log() const { return log_; }
  std::stop_token stopping() const { return stop_; }

  // Runs `attempt` until it succeeds or fails for good. Lost connections, missing responders,
  // time-outs and changes of leader are tried again until `patience` is over (Transient
  // `BusUnavailable`).
  tl::expected<void, CallFailure> call(const std::string& what, std::chrono::milliseconds patience,
                                       const std::function<natsStatus(jsErrCode*)>& attempt);

  // Stores a message; its sequence. Stored once, however often it had to be sent.
  tl::expected<std::uint64_t, CallFailure> store(const std::string& subject, std::string_view data,
                                                 const Headers& headers,
                                                 const StoreOptions& options);

  // Sends without waiting (acknowledgements, pull requests).
  void send(const std::string& subject, const std::string& reply, std::string_view data);
  void flush(std::chrono::milliseconds limit);

  // A new inbox subject of this connection.
  std::string new_inbox();
  std::string new_nuid();

  // Mailboxes that are woken when the connection is back: requests sent before are lost then. Cheap
  // to ask: how often it came back.
  void wake_on_reconnect(std::shared_ptr<Mailbox> mailbox);
  void forget(const std::shared_ptr<Mailbox>& mailbox);
  std::uint64_t reconnects() const { return reconnects_.load(); }

 private:
  NatsClient(Log log, std::stop_token stop) : log_(std::move(log)), stop_(std::move(stop)) {}
  Result<void> connect(const ConnectionOptions& options);
  bool wait_connected(std::chrono::steady_clock::time_point deadline, bool stopping);
  void changed(const char* what, bool reconnected);
  void was_closed();
  void was_refused(std::string what);
  bool refused(const std::string& subject);

  Log log_;
  std::stop_token stop_;
  natsConnection* connection_ = nullptr;
  jsCtx* jetstream_ = nullptr;
  std::string inbox_prefix_ = "_INBOX";
  std::atomic<std::uint64_t> reconnects_{0};
  std::mutex mutex_;
  std::condition_variable_any state_changed_;
  bool closing_ = false;
  bool closed_ = false;  // nats.c has called back for the last time
  std::set<std::shared_ptr<Mailbox>> mailboxes_;
  std::string refusal_;  // the server's last "Permissions Violation", word for word

  friend struct ClientCallbacks;
};

// The server's numbers for what callers decide upon (nats-server's errors.json).
namespace js_code {
inline constexpr int kStreamNotFound = 10059;
inline constexpr int kConsumerNotFound = 10014;
inline constexpr int kMessageNotFound = 10037;
inline constexpr int kSequenceNotFound = 10043;
inline constexpr int kMessageDeleteFailed = 10057;
inline constexpr int kStreamNameInUse = 10058;
inline constexpr int kWrongLastSequence = 10071;
inline constexpr int kStoreFailed = 10077;
inline constexpr int kMessageTooLarge = 10054;
}  // namespace js_code

}  // namespace tunesmith::bus
