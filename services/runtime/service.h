// What every service's main has in common: configuration, log, admin server, shutdown.
#pragma once

#include <prometheus/registry.h>

#include <functional>
#include <memory>
#include <string>

#include "runtime/admin_server.h"
#include "runtime/config.h"
#include "runtime/log.h"
#include "runtime/result.h"
#include "runtime/shutdown.h"

namespace tunesmith {

// `SERVICE [--config FILE] [--list-config] [--version]`. Opens the configuration, reads the keys
// all services share (log_level, admin_address, port_file), calls `run`, and turns its result into
// the exit code: 0, or 1 with the failure in one log line; 2 for wrong arguments. --list-config
// prints the keys that `run` asks for until config.finish(), and their defaults. `run` reads its
// own keys, calls config.finish(), wires the parts, calls serve_admin when it is ready to be asked,
// and returns after shutdown.wait().
struct ServiceContext {
  std::string name;
  ConfigReader& config;
  Log log;
  Shutdown& shutdown;
  std::shared_ptr<prometheus::Registry> registry;
  std::string admin_address;  // key admin_address, default "127.0.0.1:0"
  std::string port_file;      // key port_file, default none
};
int run_service(const std::string& name, int argc, char** argv,
                const std::function<Result<void>(ServiceContext&)>& run);

// Starts the admin server and logs {"message":"listening","admin_port":N}. The file named by key
// `port_file` (when set) gets the port, written atomically: whoever started the service on port 0
// learns it there.
Result<std::unique_ptr<AdminServer>> serve_admin(ServiceContext& context, HealthCheck health,
                                                 HealthCheck ready);

}  // namespace tunesmith
