#include "registry/image.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/sha256.h"

namespace tunesmith::registry {

namespace {

using nlohmann::json;

json descriptor(const char* media_type, const std::string& digest, std::uint64_t size) {
  return {{"mediaType", media_type}, {"digest", digest}, {"size", size}};
}

std::uint64_t size_of(const json& blob) {
  if (!blob.is_object()) return 0;
  const auto size = blob.find("size");
  return size != blob.end() && size->is_number_unsigned() ? size->get<std::uint64_t>() : 0;
}

}  // namespace

std::uint64_t Image::size_bytes() const {
  std::uint64_t total = config.size() + manifest.size();
  for (const auto& layer : layers) total += layer.info.size_bytes;
  return total;
}

// nlohmann's objects are sorted by key, so the text is a function of the values.
Image describe_image(std::vector<LayerFile> layers, const Annotations& annotations) {
  json diff_ids = json::array(), descriptors = json::array();
  for (const auto& layer : layers) {
    diff_ids.push_back(layer.info.diff_id);
    descriptors.push_back(descriptor(kLayerType, layer.info.digest, layer.info.size_bytes));
  }
  Image image;
  image.layers = std::move(layers);
  const json config = {{"architecture", "amd64"},
                       {"config", json::object()},
                       {"created", kCreated},
                       {"history", {{{"created", kCreated}, {"created_by", "tunesmith"}}}},
                       {"os", "linux"},
                       {"rootfs", {{"type", "layers"}, {"diff_ids", std::move(diff_ids)}}}};
  image.config = config.dump();
  image.config_digest = "sha256:" + sha256_hex(image.config);
  const json manifest = {
      {"schemaVersion", 2},
      {"mediaType", kManifestType},
      {"config", descriptor(kConfigType, image.config_digest, image.config.size())},
      {"layers", std::move(descriptors)},
      {"annotations", annotations}};
  image.manifest = manifest.dump();
  image.manifest_digest = "sha256:" + sha256_hex(image.manifest);
  return image;
}

Annotations annotations_in(std::string_view manifest) {
  Annotations out;
  const json document = json::parse(manifest, nullptr, false);
  if (!document.is_object()) return out;
  const auto found = document.find("annotations");
  if (found == document.end() || !found->is_object()) return out;
  for (const auto& [name, value] : found->items()) {
    if (value.is_string()) out[name] = value.get<std::string>();
  }
  return out;
}

std::uint64_t image_size_bytes(std::string_view manifest) {
  const json document = json::parse(manifest, nullptr, false);
  if (!document.is_object() || !document.contains("config") || !document.contains("layers"))
    return 0;
  if (!document["layers"].is_array()) return 0;
  std::uint64_t total = manifest.size() + size_of(document["config"]);
  for (const auto& layer : document["layers"]) total += size_of(layer);
  return total;
}

}  // namespace tunesmith::registry
