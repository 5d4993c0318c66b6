// The texts that lie beside an adapter in a folder. Pure: the same adapter gives the same bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::image_builder {

struct FolderFile {
  std::string name;
  std::uint64_t size_bytes = 0;
  std::string sha256;  // lower-case hex
  bool operator==(const FolderFile&) const = default;
};

// JSON: tuningKey, numericsVersion, method, baseModel, data (by digest; URLs without their query
// strings, which may be credentials), files.
std::string folder_manifest(const events::v1::Plan& plan, const std::vector<FolderFile>& files);

// What a manifest says; an empty key when it is none.
struct FolderContent {
  std::string tuning_key;
  std::vector<FolderFile> files;
};
FolderContent read_folder_manifest(std::string_view json);

std::string folder_readme(const events::v1::Plan& plan);

}  // namespace tunesmith::image_builder
