// KeyValue in the published layout (NATS ADR-8): stream KV_<bucket>, subject $KV.<bucket>.<key>,
// header KV-Operation.
//
// Written on plain JetStream publishes, not on nats.c's kvStore: a write carries an id, so a try
// whose answer was lost can be repeated without conflicting with itself, and the server's error
// number is there (kvStore only has a text).
#pragma once

#include <memory>
#include <string>

#include "bus/key_value.h"
#include "bus/nats_client.h"

namespace tunesmith::bus {

// `client` outlives it.
class NatsKeyValue final : public KeyValue {
 public:
  NatsKeyValue(NatsClient& client, const std::string& bucket);

  Result<std::optional<KeyValueEntry>> get(const std::string& key) override;
  Result<std::uint64_t> create(const std::string& key, const std::string& value) override;
  Result<std::uint64_t> update(const std::string& key, const std::string& value,
                               std::uint64_t last_revision) override;
  Result<std::uint64_t> put(const std::string& key, const std::string& value) override;
  Result<void> remove(const std::string& key) override;
  Result<std::vector<std::string>> keys(const std::string& pattern) override;
  Result<void> watch(const std::string& pattern,
                     const std::function<void(const KeyValueEntry&)>& on_entry,
                     const std::function<void()>& on_caught_up, std::stop_token stop) override;

 private:
  std::string subject(const std::string& key) const { return prefix_ + key; }
  KeyValueEntry entry_of(const Message& message, std::uint64_t revision) const;
  // The last entry, delete markers included.
  Result<std::optional<KeyValueEntry>> last(const std::string& key);

  NatsClient& client_;
  std::string stream_, prefix_;
};

}  // namespace tunesmith::bus
