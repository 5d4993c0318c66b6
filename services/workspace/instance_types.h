// The instance types that are known by name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tunesmith::workspace {

struct InstanceType {
  const char* name;
  const char* gpu;
  int gpus;
  int gpu_memory_gib;    // of each
  double usd_per_hour;   // list price, eastus 2026-06; 0 = not recorded
  bool retired = false;  // cannot be bought any more, or too old for CUDA 13
};

const std::vector<InstanceType>& instance_types();

// Exact spelling, as the clouds have it; null when unknown.
const InstanceType* find_instance_type(std::string_view name);

std::vector<std::string> instance_type_names();

}  // namespace tunesmith::workspace
