// The machine: which services run on it, and the supervisor that starts them again.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "simulation/world.h"

namespace tunesmith::simulation {

// The services' own main functions, compiled under other names.
struct Service {
  std::string name;
  int (*main)(int, char**);
  std::string config_file;
  Process* process = nullptr;  // while it runs
};

class Cluster {
 public:
  // Writes the configurations into the world's folder.
  Cluster(World& world, int workers);

  std::size_t size() const { return services_.size(); }
  const std::string& name(std::size_t service) const { return services_[service].name; }
  void start(std::size_t service);
  void kill(std::size_t service);       // SIGKILL
  void terminate(std::size_t service);  // SIGTERM
  void pause(std::size_t service, Time until);
  // The next `times` lives of it end early.
  void doom(std::size_t service, int times) { doomed_[service] = times; }
  // Nobody dies any more.
  void spare_all();
  // Whether all services run, and none stood still within that time.
  bool all_run_for(Time time) const;

 private:
  void run_main(Service& service);
  void ended(Service& service, int exit_code);

  World& world_;
  std::vector<Service> services_;
  std::vector<int> doomed_;
  std::vector<std::unique_ptr<Process>> processes_;
};

}  // namespace tunesmith::simulation
