#include "planner/image_source.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <ranges>

#include "registry/image_pull.h"
#include "registry/image_unpack.h"
#include "registry/pull_secrets.h"
#include "runtime/process.h"

namespace tunesmith::planner {
namespace {

namespace fs = std::filesystem;
using registry::PulledImage;
using registry::RegistryClient;
using registry::UnpackedFile;

constexpr std::uint64_t kPieceBytes = 1u << 20;  // of a file that is cut

// Gone with the look.
class LookFolder {
 public:
  explicit LookFolder(const fs::path& work_dir) {
    std::error_code ignored;  // mkdtemp finds out
    fs::create_directories(work_dir, ignored);
    std::string pattern = (work_dir / "image-XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~LookFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  LookFolder(const LookFolder&) = delete;
  LookFolder& operator=(const LookFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

class Look {
 public:
  Look(const ImageSourceOptions& options, RegistryClient& client, const PulledImage& image,
       const fs::path& folder, const Patience& patience)
      : options_(options),
        client_(client),
        image_(image),
        folder_(folder),
        patience_(patience),
        call_{.stop = patience.stop,
              .deadline = patience.deadline,
              .on_wait = patience.on_retry,
              .waits = patience.waits} {}

  // All of it: rows are counted.
  Result<OtherData> whole() {
    std::vector<fs::path> layers;
    for (const auto& layer : image_.layers) {
      const auto file = folder_ / layer.digest.substr(std::string_view("sha256:").size());
      if (auto pulled = registry::pull_layer(client_, layer, file, call_); !pulled) {
        return tl::unexpected(pulled.error());
      }
      layers.push_back(file);
    }
    const auto files = unpack(layers, false);
    if (!files) return tl::unexpected(files.error());
    return inspect(*files);
  }

  // The beginnings of the layers, the highest first, until one shows a data file.
  Result<OtherData> beginnings() {
    OtherData found;
    found.note = fmt::format("the image {} has {} bytes: its rows were not counted before training",
                             image_.digest, image_.size_bytes());
    for (const auto& layer : image_.layers | std::views::reverse) {
      const auto file = folder_ / "head";
      if (auto pulled = registry::pull_layer_head(client_, layer, options_.head_bytes, file, call_);
          !pulled) {
        return tl::unexpected(pulled.error());
      }
      const auto files = unpack({file}, true);
      if (!files) return tl::unexpected(files.error());
      if (files->empty()) continue;
      const auto layout = layout_of(files->front());
      if (!layout) return tl::unexpected(layout.error());
      found.data.set_layout(*layout);
      break;
    }
    return found;
  }

 private:
  Result<std::vector<UnpackedFile>> unpack(std::vector<fs::path> layers, bool partial) const {
    return registry::unpack_image_data({.program = options_.inspect,
                                        .layers = std::move(layers),
                                        .folder = folder_ / "data",
                                        .max_bytes = options_.unpacked_bytes,
                                        .partial = partial,
                                        .limit = left()},
                                       patience_.stop);
  }

  Result<OtherData> inspect(const std::vector<UnpackedFile>& files) const {
    std::vector<fs::path> paths;
    paths.reserve(files.size());
    for (const auto& file : files) paths.push_back(file.file);
    auto inspection =
        Inspector(options_.inspect, options_.work_dir).files(paths, left(), patience_.stop);
    if (!inspection) return tl::unexpected(with_names(inspection.error(), files));
    OtherData found;
    found.data.set_rows(inspection->rows);
    found.data.set_layout(inspection->layout);
    found.estimated_tokens = inspection->estimated_tokens;
    return found;
  }

  // Empty when its beginning does not tell, as of parquet.
  Result<std::string> layout_of(const UnpackedFile& file) const {
    const Inspector inspector(options_.inspect, options_.work_dir);
    if (!file.cut) {
      auto inspection = inspector.files({file.file}, left(), patience_.stop);
      if (!inspection) return tl::unexpected(with_names(inspection.error(), {file}));
      return inspection->layout;
    }
    std::ifstream in(file.file, std::ios::binary);
    std::string piece(std::min(kPieceBytes, file.size_bytes), '\0');
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    const auto answer = inspector.head(piece, piece.size() + 1, file.path, patience_.stop);
    if (!answer) return tl::unexpected(answer.error());
    return answer->more_needed ? std::string() : answer->inspection.layout;
  }

  // Names of the image instead of those that the files were given here.
  static Failure with_names(Failure failure, const std::vector<UnpackedFile>& files) {
    for (const auto& file : files) {
      const std::string here = file.file.filename().string();
      if (const auto at = failure.message.find(here); at != std::string::npos) {
        failure.message.replace(at, here.size(), file.path.substr(0, 200));
        break;
      }
    }
    return failure;
  }

  std::chrono::milliseconds left() const {
    return std::max(std::chrono::milliseconds(1),
                    std::chrono::duration_cast<std::chrono::milliseconds>(
                        patience_.deadline - patience_.clock.steady_now()));
  }

  const ImageSourceOptions& options_;
  RegistryClient& client_;
  const PulledImage& image_;
  const fs::path& folder_;
  const Patience& patience_;
  const registry::RegistryCall call_;
};

void describe(events::v1::ImageData& data, const workspace::DataSource& input,
              const PulledImage& image) {
  data.set_image(input.image);
  data.set_digest(image.digest);
  for (const auto& layer : image.layers) {
    auto& entry = *data.add_layers();
    entry.set_digest(layer.digest);
    entry.set_size_bytes(layer.size_bytes);
    entry.set_media_type(layer.media_type);
  }
  data.mutable_pull_secrets()->Assign(input.image_pull_secrets.begin(),
                                      input.image_pull_secrets.end());
}

}  // namespace

Result<OtherData> ImageSource::look(const std::string& name_space,
                                    const workspace::DataSource& input,
                                    const Patience& patience) const {
  const auto target = workspace::parse_image_reference(input.image);
  if (!target) return tl::unexpected(target.error());
  const registry::RegistryCall call{.stop = patience.stop,
                                    .deadline = patience.deadline,
                                    .on_wait = patience.on_retry,
                                    .waits = patience.waits};
  auto credentials =
      registry::read_pull_secrets(options_.secrets_dir, name_space, input.image_pull_secrets,
                                  target->registry, patience.clock, options_.registry, call);
  if (!credentials) return tl::unexpected(credentials.error());
  RegistryClient client(http_, patience.clock, options_.registry, *target, *std::move(credentials),
                        registry::Access::kPull);
  const auto image = registry::resolve_image(client, call);
  if (!image) return tl::unexpected(image.error());

  const LookFolder folder(options_.work_dir);
  if (folder.path().empty()) {
    return transient("DiskFull", "cannot make a folder in " + options_.work_dir.string());
  }
  Look look(options_, client, *image, folder.path(), patience);
  auto found = image->size_bytes() <= options_.look_bytes ? look.whole() : look.beginnings();
  if (!found) return found;
  describe(*found->data.mutable_image(), input, *image);
  return found;
}

}  // namespace tunesmith::planner
