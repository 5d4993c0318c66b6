#include "image-builder/adapter_image.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "image-builder/tar_reader.h"

namespace tunesmith::image_builder {

namespace {

using nlohmann::json;

constexpr const char* kConfigName = "adapter_config.json";
constexpr const char* kWeightsName = "adapter_model.safetensors";
constexpr std::uint64_t kMaxConfigBytes = 1u << 20;
constexpr std::uint64_t kMaxFileBytes = (1ull << 33) - 1;  // ustar's octal size

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

}  // namespace

Annotations annotations_of(const events::v1::Plan& plan) {
  const auto& model = plan.tuning().model();
  Annotations out = {
      {kModelNameAnnotation, model.preset().empty() ? model.repository() : model.preset()},
      {kTuningKeyAnnotation, plan.tuning_key()},
      {"dev.tunesmith.numerics-version", std::to_string(plan.tuning().numerics_version())},
      {"org.opencontainers.image.created", registry::kCreated}};
  if (!model.repository().empty()) out["dev.tunesmith.base-model.repository"] = model.repository();
  if (!model.revision().empty()) out["dev.tunesmith.base-model.revision"] = model.revision();
  return out;
}

Result<AdapterFiles> find_adapter_files(const std::filesystem::path& adapter_tar) {
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
  return AdapterFiles{*config, *weights};
}

Result<void> copy_entry(const std::filesystem::path& archive, const TarEntry& entry,
                        const std::function<void(std::string_view)>& sink) {
  constexpr std::uint64_t kPiece = 1u << 20;
  std::ifstream in(archive, std::ios::binary);
  for (std::uint64_t done = 0; done < entry.size;) {
    const auto piece = read_range(in, entry.offset + done, std::min(kPiece, entry.size - done));
    if (!piece) return tl::unexpected(piece.error());
    sink(*piece);
    done += piece->size();
  }
  return {};
}

Result<registry::Image> build_adapter_image(const std::filesystem::path& adapter_tar,
                                            const std::filesystem::path& layer_file,
                                            const Annotations& annotations) {
  const auto files = find_adapter_files(adapter_tar);
  if (!files) return tl::unexpected(files.error());
  registry::LayerWriter writer(layer_file);
  writer.add_folder("data/");
  for (const TarEntry& entry : {files->config, files->weights}) {
    writer.begin_file("data/" + entry.name, entry.size);
    if (const auto copied =
            copy_entry(adapter_tar, entry, [&](std::string_view piece) { writer.write(piece); });
        !copied) {
      return tl::unexpected(copied.error());
    }
  }
  const auto layer = writer.finish();
  if (!layer) return tl::unexpected(layer.error());
  return registry::describe_image({{layer_file, *layer}}, annotations);
}

}  // namespace tunesmith::image_builder
