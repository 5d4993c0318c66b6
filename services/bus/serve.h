// The last step of every service's main.
#pragma once

#include "bus/connection.h"
#include "runtime/service.h"

namespace tunesmith::bus {

// Serves the admin server until the service is stopped: ready while NATS is connected, healthy as
// `health` says (a lost connection is no reason to restart a service, so by default always).
Result<void> serve_until_shutdown(
    ServiceContext& context, const Connection& connection,
    HealthCheck health = [] { return std::optional<std::string>(); });

}  // namespace tunesmith::bus
