// Adapter archives for tests, written as a worker would write them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "registry/testing/image_maker.h"

namespace tunesmith::image_builder {

using registry::bytes_of;

struct ArchiveMember {
  std::string name;
  std::string content;
  unsigned mtime = 0, owner = 0;
};

std::string tar_of(const std::vector<ArchiveMember>& members);
void write_archive(const std::filesystem::path& file, const std::vector<ArchiveMember>& members);

// A safetensors file with `weight_bytes` bytes of one tensor, pseudo-random from the seed.
std::string safetensors_of(std::size_t weight_bytes, unsigned seed = 1);

inline const std::string kAdapterConfig = R"({"peft_type":"LORA","r":8})";

}  // namespace tunesmith::image_builder
