// The OCI image that carries an adapter, as KAITO builds and reads it: one layer with
// data/adapter_config.json and data/adapter_model.safetensors.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

#include "image-builder/tar_reader.h"
#include "registry/image.h"
#include "runtime/result.h"
#include "tunesmith/events/v1/plan.pb.h"

namespace tunesmith::image_builder {

// Manifest annotations.
inline constexpr const char* kModelNameAnnotation = "sh.kaito.model.name";  // KAITO's
inline constexpr const char* kTuningKeyAnnotation = "dev.tunesmith.tuning-key";

using registry::Annotations;

// What the manifest says of the adapter. Only what decides the adapter's bytes: another Workspace
// that trains the same gets the same image.
Annotations annotations_of(const events::v1::Plan& plan);

struct AdapterFiles {
  TarEntry config, weights;
};

// Both files of an adapter archive, looked at: a JSON object, and the header of a safetensors file
// whose length fits. Permanent `AdapterInvalid`; Transient `FileUnreadable`.
Result<AdapterFiles> find_adapter_files(const std::filesystem::path& adapter_tar);

// The content of an entry in pieces of at most 1 MiB. Transient `FileUnreadable`.
Result<void> copy_entry(const std::filesystem::path& archive, const TarEntry& entry,
                        const std::function<void(std::string_view)>& sink);

// Reads the adapter archive (a tar of the two files; others are ignored) and writes the layer to
// `layer_file`. Streams: memory does not grow with the adapter. The same archive content and
// annotations give the same bytes, whatever order, times and owners the archive has. Permanent
// `AdapterInvalid`; Transient `DiskFull`, `FileUnreadable`.
Result<registry::Image> build_adapter_image(const std::filesystem::path& adapter_tar,
                                            const std::filesystem::path& layer_file,
                                            const Annotations& annotations);

}  // namespace tunesmith::image_builder
