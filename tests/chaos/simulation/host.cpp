// Stands in for what a service process shares with its machine: signals (runtime/shutdown.cpp) and
// the admin port (runtime/admin_server.cpp).
#include <condition_variable>
#include <mutex>

#include "runtime/admin_server.h"
#include "runtime/shutdown.h"
#include "simulation/world.h"

namespace tunesmith {

struct Shutdown::State {
  std::stop_source source;
  simulation::Process* process = nullptr;
};

Shutdown::Shutdown() : state_(new State) {
  state_->process = simulation::scheduler()->current_process();
  state_->process->shutdown = &state_->source;
}

Shutdown::~Shutdown() {
  state_->process->shutdown = nullptr;
  delete state_;
}

std::stop_token Shutdown::token() const { return state_->source.get_token(); }

void Shutdown::request() { state_->source.request_stop(); }

void Shutdown::wait() const {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait(lock, token(), [] { return false; });
}

namespace {

class NoServer final : public AdminServer {
 public:
  std::uint16_t port() const override { return 1; }
};

}  // namespace

Result<std::unique_ptr<AdminServer>> AdminServer::start(const std::string&,
                                                        std::shared_ptr<prometheus::Registry>,
                                                        HealthCheck, HealthCheck) {
  return std::make_unique<NoServer>();
}

}  // namespace tunesmith
