// Reads a stream in order, without acknowledging: an ephemeral consumer that pushes with flow
// control and is made anew from the last message at a gap, a silence or a reconnect. Internal to
// bus/.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "bus/nats_client.h"

namespace tunesmith::bus {

struct StoredMessage {
  Message message;
  std::uint64_t sequence = 0;
  std::int64_t time_ns = 0;
  std::uint64_t pending = 0;  // matching messages behind it at that moment; 0 = the end was reached
};

// One thread at a time.
class OrderedReader {
 public:
  enum class From { kStart, kLastPerSubject };
  struct Options {
    std::string stream{}, filter{};
    From from = From::kStart;
    bool headers_only = false;
    bool keep_trying = false;  // wait for a lost connection also without `follow`
  };

  OrderedReader(NatsClient& client, Options options);
  ~OrderedReader();

  // The next message. With `follow` nothing at a stop; without it nothing at the end of what is
  // stored, and Transient `Stopped` at a stop before that: a part must not pass for the whole. A
  // lost connection is waited for until `stop` with `follow` or keep_trying, else for the client's
  // patience (Transient `BusUnavailable`). Permanent `BusNotInitialised` when there is no such
  // stream.
  Result<std::optional<StoredMessage>> next(bool follow, std::stop_token stop);

 private:
  Result<void> start(std::chrono::milliseconds patience);
  void abandon();
  std::optional<StoredMessage> accept(Message message);

  NatsClient& client_;
  Options options_;
  std::shared_ptr<Mailbox> mailbox_;
  std::unique_ptr<Subscription> subscription_;
  std::string consumer_{};
  std::uint64_t reconnects_ = 0;
  std::uint64_t last_sequence_ = 0;           // of the stream, delivered; 0 = none
  std::uint64_t last_consumer_sequence_ = 0;  // of this consumer
  bool at_end_ = false;                       // everything stored at that moment was delivered
  bool broken_ = false;                       // a gap was seen
  std::chrono::steady_clock::time_point heard_at_{};
};

}  // namespace tunesmith::bus
