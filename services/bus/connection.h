// The one NATS connection of a process and everything that is reached through it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "bus/event.h"
#include "bus/key_value.h"
#include "bus/log_stream.h"
#include "bus/object_store.h"
#include "runtime/config.h"
#include "runtime/log.h"
#include "runtime/result.h"

namespace tunesmith::bus {

struct ConnectionOptions {
  std::string url = "nats://127.0.0.1:4222";
  std::string name{};                   // shown in the server's connection list
  std::string credentials_file{};       // .creds; or
  std::string user{}, password_file{};  // user and a 0600 file that holds the password
  std::string ca_file{}, certificate_file{}, key_file{};  // TLS
  std::string inbox_prefix{};  // where replies come to; empty = the library's "_INBOX"
  std::chrono::milliseconds connect_timeout{30'000};  // retried that long at start
  std::chrono::milliseconds publish_timeout{60'000};
  // Of all consumers that say nothing else: how long an event stays with a process that died, and
  // how often a living one says that it still works on it.
  std::chrono::milliseconds ack_wait{30'000};
  std::chrono::milliseconds in_progress_every{10'000};
  // What JetStream may hold in all, 0 = unknown. Its last tenth is left to events and status: a
  // server that is full to the brim could not even say so.
  std::uint64_t store_limit_bytes = 0;
  // A server that stands still, or a path that swallows everything, is noticed after three of
  // these.
  std::chrono::milliseconds ping_interval{10'000};

  // Keys nats_url, nats_credentials_file, nats_user, nats_password_file, nats_ca_file,
  // nats_certificate_file, nats_key_file, nats_inbox_prefix (default: of nats_user, see
  // permissions.h), nats_ping_interval, nats_store_limit_bytes, ack_wait, in_progress_every (at
  // most half of ack_wait).
  static ConnectionOptions from_config(ConfigReader& config, std::string name);
};

// What a handler says of a delivered event.
struct Disposition {
  enum class Kind {
    kDone,      // acknowledge
    kRetry,     // keep, handle again here after `delay`: no delivery of its own
    kHandBack,  // give back at once (the service is stopping)
    kDead,      // cannot ever be handled: to the dead letters with `failure`
  };
  Kind kind = Kind::kDone;
  std::chrono::milliseconds delay{0};
  Failure failure{};

  static Disposition done() { return {}; }
  static Disposition retry(std::chrono::milliseconds after) { return {Kind::kRetry, after, {}}; }
  static Disposition hand_back() { return {Kind::kHandBack, {}, {}}; }
  static Disposition dead(Failure failure) { return {Kind::kDead, {}, std::move(failure)}; }
};

// `stop` is requested when the service stops: finish or hand back within 5 s.
using EventHandler = std::function<Disposition(const IncomingEvent& event, std::stop_token stop)>;

struct ConsumerOptions {
  std::string service{};  // with the event: the durable's name, `<service>_<token>`
  std::string token{};    // one event, or "" = every event (durable `<service>`)
  int concurrency = 1;    // handlers at a time; events of one uid are handled one after the other
  std::chrono::milliseconds ack_wait{0};           // 0 = the connection's
  std::chrono::milliseconds in_progress_every{0};  // while a handler runs; 0 = the connection's
  // Handlers that may die over one event, before it is a dead letter. What a stopping service hands
  // back does not count, up to max_hand_backs.
  int max_deliver = 5;
  int max_hand_backs = 1'000;
};

// Counters of one consumer, to be put into metrics. Thread-safe to read.
struct ConsumerStats {
  std::uint64_t handled = 0, retried = 0, handed_back = 0, dead = 0, redelivered = 0;
  std::chrono::milliseconds since_last_round_trip{0};  // of a fetch; > 2 × its expiry = not healthy
};

// Fetches and handles events on threads of its own until it is destroyed (which stops it: running
// handlers get their stop token and are waited for). A synchronous fetch loop, batch 1, with expiry
// and heartbeat: heals by itself after a reconnect.
class Consumer {
 public:
  virtual ~Consumer() = default;
  virtual ConsumerStats stats() const = 0;
};

struct DeadLetter {
  std::uint64_t sequence = 0;  // in TUNESMITH_DLQ
  IncomingEvent event{};       // the original
  std::string consumer{};      // who could not handle it
  Failure failure{};
  std::string time{};  // RFC 3339
};

// As an EventHandler: done, or retry (told again).
using DeadLetterHandler = std::function<Disposition(const DeadLetter& letter)>;

// Thread-safe. Reconnects for ever.
class Connection : public Publisher {
 public:
  // Transient `BusUnavailable` when no server answered within connect_timeout; Permanent
  // `BusAuthentication`.
  static Result<std::unique_ptr<Connection>> open(const ConnectionOptions& options, const Log& log,
                                                  std::stop_token stop);

  virtual bool connected() const = 0;

  // Binds to an existing bucket of topology.h; Permanent `BusNotInitialised` when it is missing.
  virtual Result<std::unique_ptr<KeyValue>> key_value(const std::string& bucket) = 0;
  virtual ObjectStore& objects() = 0;
  virtual LogStream& logs() = 0;

  // Creates the durable if it is missing and starts handling. Dead letters: original bytes and
  // headers go to TUNESMITH_DLQ with the reason, then the message is terminated.
  virtual Result<std::unique_ptr<Consumer>> consume(const ConsumerOptions& options,
                                                    EventHandler handler) = 0;

  // Reads the history in stream order (ordered, ephemeral): every stored event that matches the
  // filter ("" = all, or a uid), then new ones as they come when `follow`, on the calling thread,
  // until `on_event` returns false, the history is over (without follow) or `stop` (without follow
  // Transient `Stopped`: the rest was not read).
  virtual Result<void> read_events(const std::string& uid, bool follow,
                                   const std::function<bool(const IncomingEvent&)>& on_event,
                                   std::stop_token stop) = 0;

  // Turns MAX_DELIVERIES advisories into dead letters, on a thread that the returned object owns.
  // One per system (the watcher's).
  virtual Result<std::unique_ptr<Consumer>> collect_dead_letters(
      DeadLetterHandler on_dead_letter) = 0;
  virtual Result<std::vector<DeadLetter>> dead_letters(std::size_t at_most) = 0;
  // Publishes the original again with id `<id>/replay-<unix seconds>-<dead letter>`: two letters of
  // one second are two.
  virtual Result<void> replay(std::uint64_t dead_letter_sequence, std::int64_t unix_seconds) = 0;
  // Removes it. Permanent `DeadLetterMissing`.
  virtual Result<void> drop_dead_letter(std::uint64_t dead_letter_sequence) = 0;
};

}  // namespace tunesmith::bus
