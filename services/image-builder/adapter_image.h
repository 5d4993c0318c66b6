// The OCI image that carries an adapter, as KAITO builds and reads it: one layer with
// data/adapter_config.json and data/adapter_model.safetensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "image-builder/layer_writer.h"
#include "runtime/result.h"
#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::image_builder {

inline constexpr const char* kManifestType = "application/vnd.oci.image.manifest.v1+json";
inline constexpr const char* kConfigType = "application/vnd.oci.image.config.v1+json";
inline constexpr const char* kLayerType = "application/vnd.oci.image.layer.v1.tar+gzip";

// Manifest annotations.
inline constexpr const char* kModelNameAnnotation = "sh.kaito.model.name";  // KAITO's
inline constexpr const char* kTuningKeyAnnotation = "dev.tunesmith.tuning-key";

using Annotations = std::map<std::string, std::string>;

// What the manifest says of the adapter. Only what decides the adapter's bytes: another Workspace
// that trains the same gets the same image.
Annotations annotations_of(const events::v1::Plan& plan);

struct AdapterImage {
  std::filesystem::path layer_file;
  LayerInfo layer;
  std::string config, config_digest;      // JSON
  std::string manifest, manifest_digest;  // JSON

  // Of all blobs: layer, configuration, manifest.
  std::uint64_t size_bytes() const { return layer.size_bytes + config.size() + manifest.size(); }
};

// Reads the adapter archive (a tar of the two files; others are ignored) and writes the layer to
// `layer_file`. Streams: memory does not grow with the adapter. The same archive content and
// annotations give the same bytes, whatever order, times and owners the archive has. Permanent
// `AdapterInvalid`; Transient `DiskFull`, `FileUnreadable`.
Result<AdapterImage> build_adapter_image(const std::filesystem::path& adapter_tar,
                                         const std::filesystem::path& layer_file,
                                         const Annotations& annotations);

// The manifest's annotations, none when it has none or is no JSON.
Annotations annotations_in(std::string_view manifest);

// Bytes of the manifest and of all blobs that it names; 0 when it is no image manifest.
std::uint64_t image_size_bytes(std::string_view manifest);

}  // namespace tunesmith::image_builder
