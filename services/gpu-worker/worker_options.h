// What an operator can set of a gpu-worker.
#pragma once

#include <chrono>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "bus/lease.h"
#include "file_cache.h"
#include "progress_pacer.h"
#include "runtime/config.h"
#include "runtime/retry.h"

namespace tunesmith::gpu_worker {

struct WorkerOptions {
  std::string node;                 // this machine's name in events
  std::filesystem::path engine;     // tunesmith-engine
  std::filesystem::path cache_dir;  // models and data, shared by all runs
  std::filesystem::path work_dir;   // one folder per run, removed at its end
  int threads = 0;                  // for the engine; 0 = all cores
  std::chrono::milliseconds checkpoint_interval{std::chrono::minutes(5)};
  int checkpoint_cost = 20;  // and not before this many times the time that storing the last took
  std::chrono::milliseconds engine_silence{std::chrono::minutes(5)};
  int silent_steps = 20;  // or this many median steps, if that is longer
  ProgressTimes progress_times;
  int attempts_without_checkpoint = 3;
  BackoffPolicy attempt_backoff{.first = std::chrono::seconds(1)};  // between attempts
  bus::LeaseTimes lease_times;
  FetchLimits fetch_limits;
  std::filesystem::path secrets_dir;            // of the secrets that Workspaces name; empty = none
  std::vector<std::string> allowed_data_paths;  // folders for file:// URLs
  std::vector<std::string> allowed_host_paths;  // folders for hostPath volumes
  std::set<std::string> insecure_registries;    // host:port spoken to in plain HTTP
  std::string inspect;                          // tunesmith-inspect, which unpacks images
  std::uint64_t image_data_limit = std::uint64_t{1} << 38;  // of an image's layers, unpacked
  std::chrono::milliseconds secret_limit{std::chrono::minutes(10)};  // for a missing secret

  // Keys node, engine, cache_dir, work_dir, threads, checkpoint_interval, checkpoint_cost,
  // engine_silence, silent_steps, lease_duration, lease_renew_every, attempts_without_checkpoint,
  // download_deadline, secrets_dir, allowed_data_paths, secret_limit,
  // allowed_host_paths, insecure_registries, inspect, image_data_limit.
  static WorkerOptions from_config(ConfigReader& config);
};

}  // namespace tunesmith::gpu_worker
