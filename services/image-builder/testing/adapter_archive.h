// Adapter archives for tests, written as a worker would write them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace tunesmith::image_builder {

struct ArchiveMember {
  std::string name;
  std::string content;
  unsigned mtime = 0, owner = 0;
};

std::string tar_of(const std::vector<ArchiveMember>& members);
void write_archive(const std::filesystem::path& file, const std::vector<ArchiveMember>& members);
std::string bytes_of(const std::filesystem::path& file);

// A safetensors file with `weight_bytes` bytes of one tensor, pseudo-random from the seed.
std::string safetensors_of(std::size_t weight_bytes, unsigned seed = 1);

inline const std::string kAdapterConfig = R"({"peft_type":"LORA","r":8})";

// A folder that goes with the test.
struct TemporaryFolder {
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path path;
};

}  // namespace tunesmith::image_builder
