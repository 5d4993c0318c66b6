// tunesmith-engine: trains and runs a model on this machine. Commands and JSON lines are described
// in README.md beside this file.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

#include "formats/job.h"
#include "train/trainer.h"

namespace {

using namespace tunesmith::engine;

constexpr int kFailed = 1;
constexpr int kInterrupted = 75;

std::atomic<bool> stop_requested = false;
static_assert(std::atomic<bool>::is_always_lock_free);  // it is set in a signal handler

void request_stop(int /*signal*/) { stop_requested = true; }

void emit(const Event& event) {
  const std::string line = to_json_line(event) + "\n";
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

Result<void> check_ranks() {
  const char* world = std::getenv("WORLD_SIZE");
  if (world == nullptr || std::string_view(world) == "1") return {};
  return permanent("WorldSizeNotSupported",
                   fmt::format("WORLD_SIZE is {}: this engine trains on one rank", world));
}

Result<TrainEnd> train_job(const std::string& path) {
  if (auto ranks = check_ranks(); !ranks) return tl::unexpected(ranks.error());
  auto job = read_job(path);
  if (!job) return tl::unexpected(job.error());
  return train(*job, emit, stop_requested);
}

int run_train(const std::string& path) {
  std::signal(SIGTERM, request_stop);
  std::signal(SIGINT, request_stop);
  auto end = train_job(path);
  if (!end) {
    emit(end.error());
    return kFailed;
  }
  return *end == TrainEnd::kInterrupted ? kInterrupted : EXIT_SUCCESS;
}

int out_of_memory() {
  emit(Failure{FailureClass::kPermanent, "OutOfMemory",
               "the memory does not suffice: lower per_device_train_batch_size or max_seq_length, "
               "or set gradient_checkpointing"});
  return kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Fine-tunes and runs a decoder-only language model on this machine."};
  app.require_subcommand(1);
  std::string job_path;
  CLI::App* train_command = app.add_subcommand("train", "Train an adapter");
  train_command->add_option("job", job_path, "JSON job file")->required();
  CLI11_PARSE(app, argc, argv);
  try {
    return run_train(job_path);
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }
}
