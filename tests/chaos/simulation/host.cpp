// Stands in for what a service process shares with its machine: signals (runtime/shutdown.cpp) and
// the admin port (runtime/admin_server.cpp).
#include "runtime/admin_server.h"
#include "runtime/shutdown.h"
#include "simulation/world.h"

namespace tunesmith {

struct Shutdown::State {
  simulation::Process* process = nullptr;
};

Shutdown::Shutdown() : state_(new State) {
  state_->process = simulation::scheduler()->current_process();
  state_->process->shutdown = &source_;
}

Shutdown::~Shutdown() {
  state_->process->shutdown = nullptr;
  delete state_;
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
