// tunesmith-filehost FOLDER: serves it on 127.0.0.1 and prints {"event":"ready","port":…} when it
// listens.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "file_host/file_host.h"

int main(int argc, char** argv) {
  using tunesmith::testing::FileHost;
  CLI::App app{
      "Serves a folder and the models in FOLDER/models/<org>/<name> over HTTP on 127.0.0.1."};
  FileHost::Options options;
  std::string faults = "[]";
  app.add_option("folder", options.root, "what to serve")->required();
  app.add_option("--port", options.port, "0 = the kernel chooses");
  app.add_option("--faults", faults, "JSON array of faults (file_host/README.md)");
  CLI11_PARSE(app, argc, argv);

  // Blocked before any thread starts, so that all threads leave the signals to sigwait below.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  auto parsed = tunesmith::testing::parse_faults(faults);
  if (!parsed) {
    std::cerr << "tunesmith-filehost: " << parsed.error() << '\n';
    return EXIT_FAILURE;
  }
  options.faults = std::move(*parsed);
  const auto host = FileHost::start(std::move(options));
  if (!host) {
    std::cerr << "tunesmith-filehost: " << host.error() << '\n';
    return EXIT_FAILURE;
  }
  std::cout << nlohmann::json{{"event", "ready"}, {"port", (*host)->port()}}.dump() << std::endl;
  int signal = 0;
  sigwait(&signals, &signal);
  std::_Exit(EXIT_SUCCESS);  // nothing to save, and no slow client shall hold it
}
