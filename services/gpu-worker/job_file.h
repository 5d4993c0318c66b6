// The engine's job file, written from the plan (gpu/README.md has the table of keys).
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::gpu_worker {

// Where the worker put things and how the machine may be used.
struct JobPlaces {
  std::filesystem::path model_dir;
  std::vector<std::filesystem::path> data;
  std::filesystem::path work_dir;
  std::filesystem::path resume_from;  // empty = from the start
  std::chrono::milliseconds checkpoint_interval{0};
  int threads = 0;  // 0 = all cores
};

// The hyper-parameters go in by reflection, under the field names of plan.proto: a new field needs
// no line here.
std::string job_file(const events::v1::TuningPlan& plan, const JobPlaces& places);

}  // namespace tunesmith::gpu_worker
