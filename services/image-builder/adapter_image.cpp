#include "image-builder/adapter_image.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "image-builder/tar_reader.h"
#include "runtime/sha256.h"

namespace tunesmith::image_builder {

namespace {

using nlohmann::json;

constexpr const char* kConfigName = "adapter_config.json";
constexpr const char* kWeightsName = "adapter_model.safetensors";
constexpr std::uint64_t kMaxConfigBytes = 1u << 20;
constexpr std::uint64_t kMaxFileBytes = (1ull << 33) - 1;  // ustar's octal size
constexpr const char* kCreated = "1970-01-01T00:00:00Z";

tl::unexpected<Failure> invalid(const std::string& what) {
  return permanent("AdapterInvalid",
                   "the adapter archive " + what + "; tunesmith retry trains again");
}

Result<TarEntry> entry_named(const std::vector<TarEntry>& entries, const std::string& name) {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&name](const TarEntry& entry) { return entry.name == name; });
  if (found == entries.end()) return invalid("holds no " + name);
  if (found->size > kMaxFileBytes) return invalid("holds " + name + " of more than 8 GiB");
  return *found;
}

Result<std::string> read_range(std::ifstream& in, std::uint64_t offset, std::uint64_t size) {
  std::string bytes(size, '\0');
  in.seekg(static_cast<std::streamoff>(offset));
  if (!in.read(bytes.data(), static_cast<std::streamsize>(size))) {
    return transient("FileUnreadable", "cannot read the adapter archive in work_dir");
  }
  return bytes;
}

// Both files are what their names say: an object, and a safetensors header (u64 length, then JSON).
Result<void> check_content(std::ifstream& in, const TarEntry& config, const TarEntry& weights) {
  if (config.size > kMaxConfigBytes) return invalid("holds an adapter_config.json of over 1 MiB");
  const auto text = read_range(in, config.offset, config.size);
  if (!text) return tl::unexpected(text.error());
  if (!json::parse(*text, nullptr, false).is_object()) {
    return invalid("holds an adapter_config.json that is no JSON object");
  }
  if (weights.size < 10) return invalid("holds weights of under 10 bytes");
  const auto head = read_range(in, weights.offset, 9);
  if (!head) return tl::unexpected(head.error());
  std::uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i)
    header_bytes = header_bytes << 8 | static_cast<unsigned char>((*head)[i]);
  if (header_bytes > weights.size - 8 || (*head)[8] != '{') {
    return invalid("holds weights that are no safetensors file");
  }
  return {};
}

Result<void> copy_file(std::ifstream& in, const TarEntry& entry, LayerWriter& layer) {
  constexpr std::uint64_t kPiece = 1u << 20;
  layer.begin_file(std::string("data/") + entry.name, entry.size);
  for (std::uint64_t done = 0; done < entry.size;) {
    const auto piece = read_range(in, entry.offset + done, std::min(kPiece, entry.size - done));
    if (!piece) return tl::unexpected(piece.error());
    layer.write(*piece);
    done += piece->size();
  }
  return {};
}

json descriptor(const char* media_type, const std::string& digest, std::uint64_t size) {
  return {{"mediaType", media_type}, {"digest", digest}, {"size", size}};
}

// nlohmann's objects are sorted by key, so the text is a function of the values.
void describe(AdapterImage& image, const Annotations& annotations) {
  const json config = {{"architecture", "amd64"},
                       {"config", json::object()},
                       {"created", kCreated},
                       {"history", {{{"created", kCreated}, {"created_by", "tunesmith"}}}},
                       {"os", "linux"},
                       {"rootfs", {{"type", "layers"}, {"diff_ids", {image.layer.diff_id}}}}};
  image.config = config.dump();
  image.config_digest = "sha256:" + sha256_hex(image.config);
  const json manifest = {
      {"schemaVersion", 2},
      {"mediaType", kManifestType},
      {"config", descriptor(kConfigType, image.config_digest, image.config.size())},
      {"layers", {descriptor(kLayerType, image.layer.digest, image.layer.size_bytes)}},
      {"annotations", annotations}};
  image.manifest = manifest.dump();
  image.manifest_digest = "sha256:" + sha256_hex(image.manifest);
}

}  // namespace

Annotations annotations_of(const events::v1::Plan& plan) {
  const auto& model = plan.tuning().model();
  Annotations out = {
      {kModelNameAnnotation, model.preset().empty() ? model.repository() : model.preset()},
      {kTuningKeyAnnotation, plan.tuning_key()},
      {"dev.tunesmith.numerics-version", std::to_string(plan.tuning().numerics_version())},
      {"org.opencontainers.image.created", kCreated}};
  if (!model.repository().empty()) out["dev.tunesmith.base-model.repository"] = model.repository();
  if (!model.revision().empty()) out["dev.tunesmith.base-model.revision"] = model.revision();
  return out;
}

Result<AdapterImage> build_adapter_image(const std::filesystem::path& adapter_tar,
                                         const std::filesystem::path& layer_file,
                                         const Annotations& annotations) {
  const auto entries = list_tar(adapter_tar);
  if (!entries) return tl::unexpected(entries.error());
  const auto config = entry_named(*entries, kConfigName);
  if (!config) return tl::unexpected(config.error());
  const auto weights = entry_named(*entries, kWeightsName);
  if (!weights) return tl::unexpected(weights.error());

  std::ifstream in(adapter_tar, std::ios::binary);
  if (const auto sound = check_content(in, *config, *weights); !sound) {
    return tl::unexpected(sound.error());
  }
  LayerWriter writer(layer_file);
  writer.add_folder("data/");
  for (const TarEntry* entry : {&*config, &*weights}) {
    if (const auto copied = copy_file(in, *entry, writer); !copied) {
      return tl::unexpected(copied.error());
    }
  }
  const auto layer = writer.finish();
  if (!layer) return tl::unexpected(layer.error());
  AdapterImage image;
  image.layer_file = layer_file;
  image.layer = *layer;
  describe(image, annotations);
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
  const auto size_of = [](const json& blob) -> std::uint64_t {
    const auto size = blob.is_object() ? blob.find("size") : blob.end();
    return blob.is_object() && size != blob.end() && size->is_number_unsigned()
               ? size->get<std::uint64_t>()
               : 0;
  };
  std::uint64_t total = manifest.size() + size_of(document["config"]);
  if (!document["layers"].is_array()) return 0;
  for (const auto& layer : document["layers"]) total += size_of(layer);
  return total;
}

}  // namespace tunesmith::image_builder
