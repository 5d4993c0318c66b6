// Connection on nats.c. Internal to bus/; everybody else sees connection.h.
#pragma once

#include <memory>
#include <string>

#include "bus/connection.h"
#include "bus/nats_client.h"
#include "bus/nats_log_stream.h"
#include "bus/nats_object_store.h"

namespace tunesmith::bus {

class NatsConnection final : public Connection {
 public:
  NatsConnection(std::unique_ptr<NatsClient> client, ConnectionOptions options);

  NatsClient& client() { return *client_; }
  std::uint64_t store_limit_bytes() const { return options_.store_limit_bytes; }

  bool connected() const override { return client_->connected(); }
  Result<void> publish(const OutgoingEvent& event) override;
  Result<std::unique_ptr<KeyValue>> key_value(const std::string& bucket) override;
  ObjectStore& objects() override { return objects_; }
  LogStream& logs() override { return logs_; }
  Result<std::unique_ptr<Consumer>> consume(const ConsumerOptions& options,
                                            EventHandler handler) override;
  Result<void> read_events(const std::string& uid, bool follow,
                           const std::function<bool(const IncomingEvent&)>& on_event,
                           std::stop_token stop) override;
  Result<std::unique_ptr<Consumer>> collect_dead_letters(DeadLetterHandler on_dead_letter) override;
  Result<std::vector<DeadLetter>> dead_letters(std::size_t at_most) override;
  Result<void> replay(std::uint64_t dead_letter_sequence, std::int64_t unix_seconds) override;
  Result<void> drop_dead_letter(std::uint64_t dead_letter_sequence) override;

 private:
  std::unique_ptr<NatsClient> client_;
  ConnectionOptions options_;
  NatsObjectStore objects_;
  NatsLogStream logs_;
};

}  // namespace tunesmith::bus
