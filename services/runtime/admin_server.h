// /metrics, /healthz and /readyz of a service, on a thread it owns.
#pragma once

#include <prometheus/registry.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "runtime/result.h"

namespace tunesmith {

// What is wrong, or nullopt when all is well. Called from the server's thread: must be thread-safe
// and quick.
using HealthCheck = std::function<std::optional<std::string>()>;

class AdminServer {
 public:
  // Listens on `address` ("127.0.0.1:0": the kernel chooses the port). healthz fails when the
  // process should be restarted, readyz when it cannot do its work at the moment; both answer 200
  // "ok" or 503 with the reason.
  static Result<std::unique_ptr<AdminServer>> start(const std::string& address,
                                                    std::shared_ptr<prometheus::Registry> registry,
                                                    HealthCheck health, HealthCheck ready);
  virtual ~AdminServer() = default;  // stops listening and joins
  virtual std::uint16_t port() const = 0;
};

}  // namespace tunesmith
