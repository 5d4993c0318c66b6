#include "workspace/instance_types.h"

#include <algorithm>

namespace tunesmith::workspace {

const std::vector<InstanceType>& instance_types() {
  static const std::vector<InstanceType> types{
      {"Standard_NV36ads_A10_v5", "A10", 1, 24, 3.20},
      {"Standard_NV72ads_A10_v5", "A10", 2, 24, 6.52},
      {"Standard_NC24ads_A100_v4", "A100", 1, 80, 3.673},
      {"Standard_NC48ads_A100_v4", "A100", 2, 80, 7.346},
      {"Standard_NC96ads_A100_v4", "A100", 4, 80, 14.692},
      {"Standard_ND96asr_A100_v4", "A100", 8, 40, 27.197},
      {"Standard_ND96amsr_A100_v4", "A100", 8, 80, 32.77},
      {"Standard_NC40ads_H100_v5", "H100", 1, 94, 6.98},
      {"Standard_NC80adis_H100_v5", "H100", 2, 94, 13.96},
      {"Standard_NCC40ads_H100_v5", "H100", 1, 94, 0},
      {"Standard_ND96isr_H100_v5", "H100", 8, 80, 98.32},
      {"Standard_ND96isr_H200_v5", "H200", 8, 141, 84.80},
      {"Standard_NC6s_v3", "V100", 1, 16, 0, true},
      {"p4d.24xlarge", "A100", 8, 40, 0},
      {"p4de.24xlarge", "A100", 8, 80, 0},
      {"p5.48xlarge", "H100", 8, 80, 0},
      {"p5e.48xlarge", "H200", 8, 141, 0},
      {"p5en.48xlarge", "H200", 8, 141, 0},
      {"g6.xlarge", "L4", 1, 24, 0},
      {"g6.2xlarge", "L4", 1, 24, 0},
      {"g6.4xlarge", "L4", 1, 24, 0},
      {"g6.8xlarge", "L4", 1, 24, 0},
      {"g6.16xlarge", "L4", 1, 24, 0},
      {"g6.12xlarge", "L4", 4, 24, 0},
      {"g6.24xlarge", "L4", 4, 24, 0},
      {"g6.48xlarge", "L4", 8, 24, 0},
      {"g5.xlarge", "A10G", 1, 24, 0},
      {"g5.2xlarge", "A10G", 1, 24, 0},
      {"g5.4xlarge", "A10G", 1, 24, 0},
      {"g5.8xlarge", "A10G", 1, 24, 0},
      {"g5.16xlarge", "A10G", 1, 24, 0},
      {"g5.12xlarge", "A10G", 4, 24, 0},
      {"g5.24xlarge", "A10G", 4, 24, 0},
      {"g5.48xlarge", "A10G", 8, 24, 0},
  };
  return types;
}

const InstanceType* find_instance_type(std::string_view name) {
  const auto& types = instance_types();
  const auto found = std::find_if(types.begin(), types.end(),
                                  [&](const InstanceType& type) { return type.name == name; });
  return found == types.end() ? nullptr : &*found;
}

std::vector<std::string> instance_type_names() {
  std::vector<std::string> names;
  for (const auto& type : instance_types()) {
    names.emplace_back(type.name);
  }
  return names;
}

}  // namespace tunesmith::workspace
