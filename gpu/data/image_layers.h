// Data files out of the layers of an OCI image: what a container of it would see in /data
// (image-spec, "Image Layer Filesystem Changeset").
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "failure.h"

namespace tunesmith::engine {

struct ImageLimits {
  std::uint64_t max_bytes = 2ULL << 30;  // of all layers' tars, unpacked
  std::size_t max_entries = 1'000'000;   // of all layers
  std::size_t max_files = 10'000;        // data files
};

struct ImageFile {
  std::string path;            // in the image, without a leading '/': "data/train.jsonl"
  std::filesystem::path file;  // where its content was written
  std::uint64_t size_bytes = 0;
  bool cut = false;  // the layer ended inside of it
};

struct IgnoredEntry {
  std::string path, why;
};

struct ImageData {
  std::vector<ImageFile> files;       // sorted by path
  std::vector<IgnoredEntry> ignored;  // the first 20
};

// Unpacks the data files below /data into `folder` (empty, the caller's own) under names of our
// making: nothing in an archive decides where we write. `layers` from the lowest to the highest;
// whiteouts and replaced folders are honoured. Data files end in .parquet, .jsonl, .ndjson, .json
// or .csv, in any letter case, or, when none does, have no ending at all; names that begin with a
// dot are left out. Links are never followed: one that is named as a data file is refused. With
// `partial` the layers are beginnings of layers: what is there comes out, nothing is missed. Fails
// with `ImageNotReadable`, `ImageTooLarge` (a limit), `ImageHasNoData` (no folder /data, or an
// empty one), `ImageHasNoDataFile` (nothing in it is a data file); Transient `DiskFull`.
Result<ImageData> extract_image_data(std::span<const std::filesystem::path> layers,
                                     const std::filesystem::path& folder, const ImageLimits& limits,
                                     bool partial);

nlohmann::ordered_json image_data_json(const ImageData& data);

}  // namespace tunesmith::engine
