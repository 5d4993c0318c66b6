// The data files of an image, unpacked by tunesmith-inspect in a process of its own: hostile
// archives crash the child, not us.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.h"

namespace tunesmith::registry {

struct UnpackedFile {
  std::string path;            // in the image: "data/train.jsonl"
  std::filesystem::path file;  // in `folder`, under a name of the child's making
  std::uint64_t size_bytes = 0;
  bool cut = false;  // only its beginning is there
};

struct UnpackRequest {
  std::string program;                        // path or name of tunesmith-inspect
  std::vector<std::filesystem::path> layers;  // from the lowest to the highest
  std::filesystem::path folder;               // made anew
  std::uint64_t max_bytes = 0;                // of all layers, unpacked
  bool partial = false;                       // the files are beginnings of layers
  std::chrono::milliseconds limit{std::chrono::minutes(10)};
};

// Sorted by path; what counts as a data file is gpu/data/image_layers.h's. Permanent
// `ImageNotReadable`, `ImageTooLarge`, `ImageHasNoData`, `ImageHasNoDataFile` as the child tells
// them, `InspectorMissing`; Transient `DiskFull`, `Stopped`. Thread-safe.
Result<std::vector<UnpackedFile>> unpack_image_data(const UnpackRequest& request,
                                                    std::stop_token stop);

// The child's answer. Pure: files are not looked at. Names that lead out of the folder are refused.
Result<std::vector<UnpackedFile>> read_unpacked(std::string_view output, int exit_code,
                                                const std::filesystem::path& folder);

}  // namespace tunesmith::registry
