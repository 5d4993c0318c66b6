// The OCI image that carries an adapter, as KAITO builds and reads it: one layer with
// data/adapter_config.json and data/adapter_model.safetensors.
#pragma once

#include <filesystem>

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

// Reads the adapter archive (a tar of the two files; others are ignored) and writes the layer to
// `layer_file`. Streams: memory does not grow with the adapter. The same archive content and
// annotations give the same bytes, whatever order, times and owners the archive has. Permanent
// `AdapterInvalid`; Transient `DiskFull`, `FileUnreadable`.
Result<registry::Image> build_adapter_image(const std::filesystem::path& adapter_tar,
                                            const std::filesystem::path& layer_file,
                                            const Annotations& annotations);

}  // namespace tunesmith::image_builder
