// tunesmith-engine: trains and runs a model on this machine. Commands, job file and JSON lines are
// described in README.md beside this file.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <new>
#include <string>

#include "formats/job.h"
#include "serve/commands.h"
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
                   fmt::format("WORLD_SIZE is {}, but this engine trains on one rank", world));
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
  const auto end = train_job(path);
  if (end) return *end == TrainEnd::kInterrupted ? kInterrupted : EXIT_SUCCESS;
  emit(end.error());
  return kFailed;
}

// OpenMP's threads spin for milliseconds at every barrier. On a machine that has other work, too,
// that costs most of the time: at a load of 11 on 2 cores, not spinning at all was two to four
// times faster. libgomp reads this variable when it is loaded, before main.
void restart_with_short_spins(char** argv) {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  if (setenv("GOMP_SPINCOUNT", "2000", 1) == 0) execv("/proc/self/exe", argv);
  // Reached when that failed: slower perhaps, not wrong.
}

// A dump would hold the training data. Unless the operator wants them.
void refuse_core_dumps() {
  const char* allowed = std::getenv("TUNESMITH_ALLOW_CORE_DUMPS");
  if (allowed != nullptr && std::string_view(allowed) == "1") return;
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

// generate and logits are for people and scripts: a failure is a line on standard error.
int report(const Result<void>& result) {
  if (result) return EXIT_SUCCESS;
  std::fputs((result.error().reason + ": " + result.error().message + "\n").c_str(), stderr);
  return kFailed;
}

int out_of_memory(bool training) {
  const Failure failure{FailureClass::kPermanent, "OutOfMemory",
                        "the memory does not suffice: lower per_device_train_batch_size or "
                        "max_seq_length, or set gradient_checkpointing"};
  if (!training) return report(tl::unexpected(failure));
  emit(failure);
  return kFailed;
}

void add_model_options(CLI::App& command, InferenceOptions& model, int& threads) {
  static const std::map<std::string, Compute> kComputes{
      {"auto", Compute::kAuto}, {"fp32", Compute::kFp32}, {"bf16", Compute::kBf16}};
  command.add_option("--model", model.model_dir, "Model folder")->required();
  command.add_option("--adapter", model.adapter_dir, "Adapter folder (PEFT)");
  command.add_option("--compute", model.compute, "auto, fp32 or bf16")
      ->transform(CLI::CheckedTransformer(kComputes));
  command.add_option("--threads", threads, "0 = all cores");
  command.add_flag_callback(
      "--nf4", [&model] { model.method = Method::kQlora; },
      "Hold the linear layers in NF4, as the adapter saw them in QLoRA training");
}

}  // namespace

int main(int argc, char** argv) {
  restart_with_short_spins(argv);
  refuse_core_dumps();
  CLI::App app{"Fine-tunes and runs a decoder-only language model on this machine."};
  app.require_subcommand(1);

  std::string job;
  CLI::App* train = app.add_subcommand("train", "Train an adapter");
  train->add_option("job", job, "JSON job file")->required();

  GenerateCommand generate;
  CLI::App* generation = app.add_subcommand("generate", "Answer prompts, greedily");
  add_model_options(*generation, generate.model, generate.threads);
  auto* data = generation->add_option("--data", generate.data, "parquet, jsonl, json or csv file");
  auto* prompt = generation->add_option("--prompt", generate.prompt, "What a user says");
  data->excludes(prompt);
  generation->add_option("--max-new-tokens", generate.max_new_tokens, "Longest answer");
  generation->add_option("--batch", generate.batch, "Prompts at a time")
      ->check(CLI::PositiveNumber);
  generation->add_option("--output", generate.output, "JSON lines; default: standard output");

  LogitsCommand logits;
  CLI::App* probing = app.add_subcommand("logits", "Logits of token lists, for comparisons");
  add_model_options(*probing, logits.model, logits.threads);
  probing->add_option("--tokens", logits.tokens, "JSON list of lists of token ids")->required();
  probing->add_option("--output", logits.output, "safetensors file")->required();

  CLI11_PARSE(app, argc, argv);
  try {
    if (*train) return run_train(job);
    if (*probing) return report(run_logits(logits));
    if (data->empty() && prompt->empty()) {
      return report(permanent("NothingAsked", "give --data or --prompt"));
    }
    return report(run_generate(generate));
  } catch (const std::bad_alloc&) {
    return out_of_memory(train->parsed());
  }
}
