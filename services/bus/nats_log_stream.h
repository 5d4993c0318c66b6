// LogStream on nats.c. Internal to bus/; everybody else sees log_stream.h.
#pragma once

#include "bus/log_stream.h"
#include "bus/nats_client.h"

namespace tunesmith::bus {

class NatsLogStream final : public LogStream {
 public:
  explicit NatsLogStream(NatsClient& client) : client_(client) {}

  Result<void> append(const std::string& uid, const std::vector<LogLine>& lines) override;
  Result<void> read(
      const std::string& uid, bool follow,
      const std::function<bool(const std::vector<LogLine>& lines, std::uint64_t behind)>& on_batch,
      std::stop_token stop) override;
  Result<void> purge(const std::string& uid) override;

 private:
  NatsClient& client_;
};

}  // namespace tunesmith::bus
