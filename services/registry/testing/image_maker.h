// Images for tests, made as anybody would make them: a layer per list of files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "registry/image.h"

namespace tunesmith::registry {

std::string bytes_of(const std::filesystem::path& file);

// Pseudo-random from the seed.
std::string random_bytes(std::size_t size, unsigned seed = 1);

struct ImageFile {
  std::string name;  // as it stands in the layer's tar: "data/train.jsonl"
  std::string content;
};

// One layer with the files in that order, written into `folder`, which outlives the image.
Image make_image(const std::filesystem::path& folder, const std::vector<ImageFile>& files,
                 const Annotations& annotations = {});

}  // namespace tunesmith::registry
