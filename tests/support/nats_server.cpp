#include "nats_server.h"

#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "runtime/process.h"
#include "temp_folder.h"

namespace tunesmith::testing {

namespace fs = std::filesystem;
using std::chrono::seconds;

namespace {

// What the server said of itself.
struct Announcement {
  std::mutex mutex;
  std::condition_variable changed;
  int port = 0;
  bool ready = false;
  std::string said;

  void line(const std::string& line) {
    const std::scoped_lock lock(mutex);
    said += line + "\n";
    const std::string listening = "Listening for client connections on ";
    const auto at = line.find(listening);
    if (at != std::string::npos) port = std::atoi(line.substr(line.rfind(':') + 1).c_str());
    if (line.find("Server is ready") != std::string::npos) ready = true;
    changed.notify_all();
  }
};

}  // namespace

struct NatsServer::State {
  fs::path binary;
  testing_support::TempFolder store;
  std::vector<std::string> more_arguments;
  int port = -1;
  std::shared_ptr<Announcement> announcement;
  std::optional<Process> process;
};

std::vector<NatsBinary> nats_binaries() {
  return {{"nats_2_9", TUNESMITH_OLD_NATS_SERVER}, current_nats_binary()};
}

NatsBinary current_nats_binary() {
  const char* venv = std::getenv("TUNESMITH_VENV");
  return {"nats_current", venv != nullptr ? fs::path(venv) / "bin/nats-server"
                                          : fs::path(TUNESMITH_CURRENT_NATS_SERVER)};
}

NatsServer::NatsServer(const NatsBinary& binary, std::vector<std::string> more_arguments)
    : state_(std::make_unique<State>()) {
  if (!fs::exists(binary.path)) throw std::runtime_error("no " + binary.path.string());
  state_->binary = binary.path;
  state_->more_arguments = std::move(more_arguments);
  start();
}

NatsServer::~NatsServer() {
  if (state_->process) kill_hard();
}

std::string NatsServer::url() const { return "nats://127.0.0.1:" + std::to_string(state_->port); }

void NatsServer::start() {
  // The server speaks on standard error; its lines are read from standard output.
  std::vector<std::string> argv = {
      "/bin/sh",   "-c",  "exec \"$0\" \"$@\" 2>&1",     state_->binary.string(),
      "-js",       "-sd", state_->store.path().string(), "-a",
      "127.0.0.1", "-p",  std::to_string(state_->port)};
  argv.insert(argv.end(), state_->more_arguments.begin(), state_->more_arguments.end());
  auto announcement = std::make_shared<Announcement>();
  ProcessOptions options;
  options.argv = std::move(argv);
  auto process = Process::start(
      std::move(options), [announcement](const std::string& line) { announcement->line(line); });
  if (!process) throw std::runtime_error(process.error().message);
  state_->announcement = announcement;
  state_->process.emplace(std::move(*process));
  std::unique_lock lock(announcement->mutex);
  if (!announcement->changed.wait_for(lock, seconds(60), [&] { return announcement->ready; })) {
    throw std::runtime_error("nats-server did not start: " + announcement->said);
  }
  state_->port = announcement->port;
}

void NatsServer::kill_hard() {
  state_->process->signal(SIGKILL);
  state_->process->wait({}, seconds(60));
  state_->process.reset();
}

void NatsServer::stop() {
  state_->process->terminate(seconds(60));
  state_->process.reset();
}

void NatsServer::freeze() { state_->process->signal(SIGSTOP); }
void NatsServer::thaw() { state_->process->signal(SIGCONT); }

void NatsServer::wipe_store() {
  fs::remove_all(state_->store.path());
  fs::create_directory(state_->store.path());
}

}  // namespace tunesmith::testing
