// Stands in for runtime/process.cpp: the programs that services start. tunesmith-engine trains in
// virtual time and makes an adapter that is a function of its job alone; tunesmith-inspect always
// likes what it is shown.
#include <condition_variable>
#include <csignal>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "runtime/process.h"
#include "runtime/retry.h"
#include "runtime/sha256.h"
#include "runtime/text.h"
#include "simulation/world.h"

namespace tunesmith {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using simulation::world;
using std::chrono::milliseconds;
using Tell = std::function<void(const std::string& line)>;

constexpr std::uint64_t kSteps = 5;

// One run of the engine. Ends early at a signal: SIGTERM leaves a checkpoint, SIGKILL nothing.
class Engine {
 public:
  Engine(const std::string& job_file, const Tell& tell, std::stop_token ends, const bool& killed)
      : job_(json::parse(read_file(job_file).value_or("{}"))),
        tell_(tell),
        ends_(std::move(ends)),
        killed_(killed),
        random_(world()->chance("engine")) {
    world()->chance("engine").next();
    for (const auto& file : job_.at("data")) identity_ += read_file(std::string(file)).value_or("");
    identity_ =
        sha256_hex(identity_ + job_.at("method").dump() + job_.at("hyper_parameters").dump());
  }

  ExitStatus run() {
    const fs::path work_dir = std::string(job_.at("work_dir"));
    const auto& weather = world()->weather();
    const std::uint64_t crashes_at = random_.chance(weather.engine_crash) ? random_.below(8) : 99;
    const std::uint64_t stuck_at = random_.chance(weather.engine_stuck) ? random_.below(8) : 99;
    const milliseconds step_time(random_.between(2'000, 20'000));
    std::uint64_t step = resumed_step();
    if (!pause(milliseconds(1'500))) return interrupted(work_dir, step);
    tell_(json{{"event", "started"}, {"total_steps", kSteps}, {"resumed_step", step}}.dump());
    while (step < kSteps) {
      if (step == crashes_at) return {.code = 139, .signal = SIGSEGV};
      const bool stuck = step == stuck_at;
      if (!pause(stuck ? milliseconds(std::chrono::hours(10)) : step_time)) {
        return interrupted(work_dir, step);
      }
      ++step;
      tell_(json{{"event", "progress"},
                 {"step", step},
                 {"total_steps", kSteps},
                 {"loss", 3.0 / static_cast<double>(step)}}
                .dump());
      if (step % 2 == 0 && step < kSteps) checkpoint(work_dir, step);
    }
    if (job_.at("data").at(0).dump().find("unlearnable") != std::string::npos) {
      tell_(json{{"event", "failed"},
                 {"class", "Permanent"},
                 {"reason", "LossNotFinite"},
                 {"message", "the loss is not a number"}}
                .dump());
      return {.code = 1};
    }
    write_adapter(work_dir / "adapter");
    tell_(json{{"event", "finished"},
               {"steps", kSteps},
               {"train_loss", 0.5},
               {"adapter_dir", (work_dir / "adapter").string()}}
              .dump());
    return {};
  }

 private:
  bool pause(milliseconds time) { return wait_for(time, ends_); }

  ExitStatus interrupted(const fs::path& work_dir, std::uint64_t step) {
    if (killed_) return {.code = 137, .signal = SIGKILL};
    if (step > 0) checkpoint(work_dir, step);
    tell_(json{{"event", "interrupted"}, {"step", step}}.dump());
    return {};
  }

  void checkpoint(const fs::path& work_dir, std::uint64_t step) {
    const fs::path file = work_dir / ("checkpoint-" + std::to_string(step));
    std::ofstream(file) << step << "\n" << identity_ << "\n";
    tell_(json{{"event", "checkpoint"}, {"step", step}, {"path", file.string()}}.dump());
  }

  std::uint64_t resumed_step() {
    const std::string file = job_.at("resume_from");
    if (file.empty()) return 0;
    std::ifstream in(file);
    std::uint64_t step = 0;
    std::string of;
    in >> step >> of;
    if (of != identity_) world()->violate("an engine goes on from another training's checkpoint");
    return step;
  }

  void write_adapter(const fs::path& folder) {
    fs::create_directories(folder);
    std::ofstream(folder / "adapter_config.json") << json{{"trained", identity_}}.dump();
    const std::string header = R"({"__metadata__":{}})";
    std::string weights(8, '\0');
    weights[0] = static_cast<char>(header.size());
    std::ofstream(folder / "adapter_model.safetensors") << weights << header << identity_;
  }

  const json job_;
  const Tell& tell_;
  const std::stop_token ends_;
  const bool& killed_;
  simulation::Random random_;
  std::string identity_;
};

}  // namespace

struct Process::State {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::optional<ExitStatus> status;
  std::stop_source ends;
  bool killed = false;
  std::thread thread;

  ~State() {
    killed = true;
    ends.request_stop();
    if (thread.joinable()) thread.join();
  }
};

Process::Process(std::unique_ptr<State> state) : state_(std::move(state)) {}
Process::Process(Process&&) noexcept = default;
Process& Process::operator=(Process&&) noexcept = default;
Process::~Process() = default;

Result<Process> Process::start(ProcessOptions options, Tell on_line) {
  auto state = std::make_unique<State>();
  world()->before("starting the engine");
  state->thread =
      std::thread([raw = state.get(), options = std::move(options), on_line = std::move(on_line)] {
        const fs::path run_folder = fs::path(options.argv.at(2)).parent_path();
        world()->engine_began(run_folder.filename());
        const ExitStatus status =
            Engine(options.argv.at(2), on_line, raw->ends.get_token(), raw->killed).run();
        world()->engine_ended(run_folder.filename());
        const std::scoped_lock lock(raw->mutex);
        raw->status = status;
        raw->changed.notify_all();
      });
  return Process(std::move(state));
}

pid_t Process::pid() const { return 1; }

void Process::signal(int number) const {
  if (number == SIGKILL) state_->killed = true;
  state_->ends.request_stop();
}

std::optional<ExitStatus> Process::wait(std::stop_token stop, std::optional<milliseconds> limit) {
  std::unique_lock lock(state_->mutex);
  const auto ended = [&] { return state_->status.has_value(); };
  if (limit) {
    state_->changed.wait_for(lock, stop, *limit, ended);
  } else {
    state_->changed.wait(lock, stop, ended);
  }
  return state_->status;
}

ExitStatus Process::terminate(milliseconds grace) {
  signal(SIGTERM);
  if (const auto status = wait({}, grace)) return *status;
  signal(SIGKILL);
  return *wait({}, std::nullopt);
}

Result<CompletedProcess> run_process(ProcessOptions options, milliseconds, std::stop_token stop,
                                     std::size_t) {
  world()->before("running " + fs::path(options.argv.at(0)).filename().string());
  if (!wait_for(milliseconds(50), stop)) return transient("Stopped", "stopped");
  CompletedProcess completed{.status = {}, .output = {}, .error_output = {}};
  completed.output =
      R"({"rows":10,"layout":"text","files":[{"rows":10,"rows_are_exact":true,"problems":[],)"
      R"("estimated_tokens":100}]})";
  return completed;
}

}  // namespace tunesmith
