#include "runtime/service.h"

#include <cstdio>
#include <string_view>

#include "runtime/hardening.h"
#include "runtime/text.h"

namespace tunesmith {
namespace {

struct Arguments {
  std::string config_file;
  std::optional<int> exit_code;  // set: nothing is left to do
  bool list_config = false;
};

Arguments parse_arguments(const std::string& name, int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--version") {
      std::printf("tunesmith-%s %s\n", name.c_str(), TUNESMITH_VERSION);
      return {"", 0};
    }
    if (argument == "--help" || argument == "-h") {
      std::printf("Usage: tunesmith-%s [--config FILE] [--list-config] [--version]\n",
                  name.c_str());
      return {"", 0};
    }
    if (argument == "--list-config") {
      arguments.list_config = true;
    } else if (argument == "--config" && i + 1 < argc) {
      arguments.config_file = argv[++i];
    } else if (argument.substr(0, 9) == "--config=") {
      arguments.config_file = argument.substr(9);
    } else {
      std::fprintf(stderr,
                   "tunesmith-%s: unknown argument '%s' (known: --config FILE, --list-config, "
                   "--version)\n",
                   name.c_str(), argv[i]);
      return {"", 2};
    }
  }
  return arguments;
}

// One key per line: name, kind, default, separated by tabs.
int list(const ConfigReader& config) {
  for (const ConfigKey& key : config.keys()) {
    std::printf("%s\t%s\t%s\n", key.key.c_str(), key.kind.c_str(), key.fallback.c_str());
  }
  return 0;
}

int fail(const Log& log, const Failure& failure) {
  log.error(failure.message, {{"reason", failure.reason}});
  return 1;
}

}  // namespace

int run_service(const std::string& name, int argc, char** argv,
                const std::function<Result<void>(ServiceContext&)>& run) {
  const Arguments arguments = parse_arguments(name, argc, argv);
  if (arguments.exit_code) return *arguments.exit_code;
  Shutdown shutdown;
  harden_process(core_dumps_allowed());
  auto config = ConfigReader::open(arguments.config_file, ConfigReader::process_environment());
  if (!config) return fail(Log::to_stderr(name, LogLevel::kInfo), config.error());
  ServiceContext context{
      .name = name,
      .config = *config,
      .log = Log::to_stderr(name, log_level_from(config->text("log_level", "info"))),
      .shutdown = shutdown,
      .registry = std::make_shared<prometheus::Registry>(),
      .admin_address = config->text("admin_address", "127.0.0.1:0"),
      .port_file = config->text("port_file", ""),
  };
  if (arguments.list_config) {
    config->only_list();
    static_cast<void>(run(context));  // ends where it would begin to do something
    return list(*config);
  }
  const Result<void> result = run(context);
  // What a stop in the middle of the start leaves undone is no failure of the service.
  const bool cut_short = shutdown.token().stop_requested() && !result &&
                         result.error().failure_class == FailureClass::kTransient;
  if (!result && !cut_short) return fail(context.log, result.error());
  context.log.info("stopped");
  return 0;
}

Result<std::unique_ptr<AdminServer>> serve_admin(ServiceContext& context, HealthCheck health,
                                                 HealthCheck ready) {
  auto server = AdminServer::start(context.admin_address, context.registry, std::move(health),
                                   std::move(ready));
  if (!server) return server;
  if (!context.port_file.empty()) {
    const auto written = write_file(context.port_file, std::to_string((*server)->port()) + "\n");
    if (!written) return tl::unexpected(written.error());
  }
  context.log.info("listening", {{"admin_port", static_cast<int>((*server)->port())}});
  return server;
}

}  // namespace tunesmith
