#include "simulation/cluster.h"

#include <nlohmann/json.hpp>

#include "runtime/text.h"

int watcher_main(int, char**);
int planner_main(int, char**);
int provisioner_main(int, char**);
int image_builder_main(int, char**);
int gpu_worker_main(int, char**);

namespace tunesmith::simulation {
namespace {

using nlohmann::json;

}  // namespace

Cluster::Cluster(World& world, int workers) : world_(world) {
  const auto folder = world.options().folder;
  const auto add = [&](const std::string& name, int (*main)(int, char**), json own) {
    own["log_level"] = "info";  // also when nobody reads it: the worker's lines go over the bus
    const auto file = folder / (name + ".yaml");
    if (!write_file(file, own.dump())) std::abort();
    services_.push_back({name, main, file.string()});
  };
  const bool blind = world.mutated(Mutation::kNoSecondLook);
  // Nothing keeps an operator from running two of a service; only the watcher is one per system.
  const auto twin = world.chance("scenario").below(5);
  add("watcher", watcher_main,
      {{"reobserve_after", blind ? "9000h" : "60s"}, {"reobserve_most", blind ? "9000h" : "10m"}});
  for (const char* name : {"planner", "planner-twin"}) {
    if (name != std::string("planner") && twin != 0) continue;
    add(name, planner_main,
        {{"work_dir", folder / name}, {"memory_bytes", std::int64_t{64} << 30}});
  }
  for (const char* name : {"image-builder", "image-builder-twin"}) {
    if (name != std::string("image-builder") && twin != 1) continue;
    add(name, image_builder_main,
        {{"work_dir", folder / name}, {"secrets_dir", folder / "secrets"}});
  }
  for (const char* name : {"provisioner", "provisioner-twin"}) {
    if (name != std::string("provisioner") && twin != 2) continue;
    add(name, provisioner_main, {{"provider", "local"}, {"node", "node-1"}, {"workers", workers}});
  }
  for (int i = 1; i <= workers; ++i) {
    const std::string name = "gpu-worker-" + std::to_string(i);
    add(name, gpu_worker_main,
        {{"node", name},
         {"engine", "tunesmith-engine"},
         {"cache_dir", folder / "cache"},
         {"work_dir", folder / name},
         {"threads", 1}});
  }
  doomed_.resize(services_.size());
}

void Cluster::start(std::size_t index) {
  Service& service = services_[index];
  if (service.process != nullptr) return;
  processes_.push_back(std::make_unique<Process>());
  Process& process = *processes_.back();
  process.name = service.name;
  process.pid = static_cast<int>(1'000 + processes_.size());
  process.ended = [this, index](int code) { ended(services_[index], code); };
  Random& random = world_.chance("deaths");
  const bool doomed = doomed_[index] > 0;
  if (doomed) --doomed_[index];
  const bool dies = doomed || random.chance(world_.weather().death);
  if (dies || random.chance(world_.weather().stall)) {
    process.fate = dies ? Process::Fate::kDies : Process::Fate::kStalls;
    process.fate_at = 1 + random.below(doomed ? 60 : 1u << random.between(3, 8));
    process.fate_after_effect = random.chance(0.5);
  }
  service.process = &process;
  world_.story().tell(service.name, "starts");
  world_.scheduler().spawn(&process, [this, &service] { run_main(service); });
}

void Cluster::run_main(Service& service) {
  std::string program = "tunesmith-" + service.name, option = "--config",
              file = service.config_file;
  char* arguments[] = {program.data(), option.data(), file.data(), nullptr};
  const int code = service.main(3, arguments);
  Process& process = *service.process;
  process.alive = false;
  for (Fiber* fiber : process.fibers) {
    if (fiber != Scheduler::current() && !world_.scheduler().ended(fiber)) {
      world_.violate(service.name + " ended and left a thread behind");
    }
  }
  ended(service, code);
}

void Cluster::ended(Service& service, int exit_code) {
  service.process = nullptr;
  if (exit_code >= 0) world_.story().tell(service.name, "ends with exit code {}", exit_code);
  Random& random = world_.chance("deaths");
  const Time away = random.chance(0.1) ? random.between(20, 120) * kSecond
                                       : random.between(200, 3'000) * kMillisecond;
  const std::size_t index = static_cast<std::size_t>(&service - services_.data());
  world_.scheduler().at(world_.now() + away, [this, index] { start(index); });
}

void Cluster::kill(std::size_t index) {
  Process* process = services_[index].process;
  if (process == nullptr) return;
  world_.story().tell(process->name, "is killed");
  world_.scheduler().kill(*process);
}

void Cluster::terminate(std::size_t index) {
  Process* process = services_[index].process;
  if (process == nullptr || process->shutdown == nullptr) return;
  world_.story().tell(process->name, "is asked to end");
  world_.scheduler().spawn(process, [process] {
    if (process->shutdown != nullptr) process->shutdown->request_stop();
  });
}

void Cluster::pause(std::size_t index, Time until) {
  Process* process = services_[index].process;
  if (process == nullptr) return;
  world_.story().tell(process->name, "stands still for {} s", (until - world_.now()) / kSecond);
  process->paused_until = until;
}

void Cluster::spare_all() {
  for (int& doomed : doomed_) doomed = 0;
  for (const Service& service : services_) {
    if (service.process == nullptr) continue;
    service.process->fate = Process::Fate::kNone;
  }
}

bool Cluster::all_run_for(Time time) const {
  for (const Service& service : services_) {
    if (service.process == nullptr || service.process->paused_until + time > world_.now()) {
      return false;
    }
  }
  return true;
}

}  // namespace tunesmith::simulation
