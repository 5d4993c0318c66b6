// An OCI image as it is pushed: layers in files, a configuration and the manifest that names them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "registry/layer_writer.h"

namespace tunesmith::registry {

inline constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";
inline constexpr const char* kConfigType = "application/vnd.oci.image.config.v1+json";
inline constexpr const char* kLayerType = "application/vnd.oci.image.layer.v1.tar+gzip";

// The time that stands in every image: the same content is the same image.
inline constexpr const char* kCreated = "1970-01-01T00:00:00Z";

using Annotations = std::map<std::string, std::string>;

struct LayerFile {
  std::filesystem::path file;
  LayerInfo info;
};

struct Image {
  std::vector<LayerFile> layers;
  std::string config, config_digest;      // JSON
  std::string manifest, manifest_digest;  // JSON

  // Of all blobs: layers, configuration, manifest.
  std::uint64_t size_bytes() const;
};

// Pure: the same layers and annotations give the same bytes. Files are not read.
Image describe_image(std::vector<LayerFile> layers, const Annotations& annotations);

// The manifest's annotations, none when it has none or is no JSON.
Annotations annotations_in(std::string_view manifest);

// Bytes of the manifest and of all blobs that it names; 0 when it is no image manifest.
std::uint64_t image_size_bytes(std::string_view manifest);

}  // namespace tunesmith::registry
