#include "bus/serve.h"

#include <utility>

namespace tunesmith::bus {

Result<void> serve_until_shutdown(ServiceContext& context, const Connection& connection,
                                  HealthCheck health) {
  const auto admin =
      serve_admin(context, std::move(health), [&connection]() -> std::optional<std::string> {
        if (connection.connected()) return std::nullopt;
        return "not connected to NATS";
      });
  if (!admin) return tl::unexpected(admin.error());
  context.shutdown.wait();
  return {};
}

}  // namespace tunesmith::bus
