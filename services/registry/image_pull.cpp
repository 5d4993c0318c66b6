#include "registry/image_pull.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "registry/registry_errors.h"
#include "runtime/sha256.h"

namespace tunesmith::registry {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxLayers = 512;
constexpr std::uint64_t kMaxLayerBytes = 1ull << 50;
constexpr std::array<std::string_view, 6> kLayerTypes = {
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd"};

std::string text_of(const json& object, const char* name) {
  if (!object.is_object()) return "";
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

const json& list_of(const json& object, const char* name) {
  static const json kNone = json::array();
  const auto found = object.find(name);
  return found != object.end() && found->is_array() ? *found : kNone;
}

// What a stranger sent, fit for a message.
std::string printable(const std::string& text) {
  std::string out;
  for (const char c : text.substr(0, 100)) out.push_back(c >= ' ' && c <= '~' ? c : '?');
  return out;
}

bool is_digest(const std::string& text) {
  return text.size() == 71 && text.starts_with("sha256:") &&
         text.find_first_not_of("0123456789abcdef", 7) == std::string::npos;
}

tl::unexpected<Failure> unreadable(const std::string& shown, const std::string& what) {
  return permanent("ImageNotReadable", "the image " + shown + " cannot be used: " + what);
}

Result<PulledLayer> read_layer(const json& entry, const std::string& shown) {
  PulledLayer layer{text_of(entry, "digest"), 0, text_of(entry, "mediaType")};
  const auto size = entry.is_object() ? entry.find("size") : entry.end();
  if (!is_digest(layer.digest) || !entry.is_object() || size == entry.end() ||
      !size->is_number_unsigned() || size->get<std::uint64_t>() > kMaxLayerBytes) {
    return unreadable(shown, "its manifest names a layer without sha256 digest and size");
  }
  layer.size_bytes = size->get<std::uint64_t>();
  if (std::find(kLayerTypes.begin(), kLayerTypes.end(), layer.media_type) == kLayerTypes.end()) {
    return unreadable(shown,
                      "expected layers that are tar archives (plain, gzip or zstd), found '" +
                          printable(layer.media_type) + "'");
  }
  return layer;
}

Result<PulledImage> read_image(const json& document, const RemoteManifest& manifest,
                               const std::string& shown) {
  const json& layers = list_of(document, "layers");
  if (layers.size() > kMaxLayers) return unreadable(shown, "it has more than 512 layers");
  PulledImage image{manifest.digest, {}};
  for (const auto& entry : layers) {
    auto layer = read_layer(entry, shown);
    if (!layer) return tl::unexpected(layer.error());
    image.layers.push_back(*std::move(layer));
  }
  return image;
}

Result<std::string> choose_platform(const json& manifests, const std::string& shown) {
  std::vector<std::string> digests, platforms;
  for (const auto& entry : manifests) {
    const json platform = entry.is_object() ? entry.value("platform", json()) : json();
    const std::string name = text_of(platform, "os") + "/" + text_of(platform, "architecture");
    const std::string digest = text_of(entry, "digest");
    if (name == "unknown/unknown" || !is_digest(digest)) continue;
    if (name == "linux/amd64") return digest;
    digests.push_back(digest);
    platforms.push_back(printable(name));
  }
  if (digests.size() == 1) return digests.front();
  std::string found;
  for (std::size_t i = 0; i < platforms.size() && i < 10; ++i) {
    found += (i == 0 ? "" : ", ") + platforms[i];
  }
  return unreadable(shown, "expected a manifest for linux/amd64, found " +
                               (found.empty() ? std::string("none") : found));
}

// The layer's bytes as they come, into a file that is complete when all are there.
class LayerFetch {
 public:
  LayerFetch(RegistryClient& client, const PulledLayer& layer, const std::filesystem::path& file,
             std::uint64_t wanted, const RegistryCall& call)
      : client_(client), layer_(layer), file_(file), wanted_(wanted), call_(call) {
    std::error_code none;
    const auto there = std::filesystem::file_size(file, none);
    done_ = !none && there <= wanted ? there : 0;
    out_.open(file, std::ios::binary | (done_ > 0 ? std::ios::app : std::ios::trunc));
    ::chmod(file.c_str(), 0600);
  }

  Result<void> run() {
    RetryWait wait = client_.retries(call_);
    while (done_ < wanted_) {
      const std::uint64_t before = done_;
      auto got = once();
      if (other_size_ || (got && done_ < wanted_ && done_ == before)) {
        return unreadable(layer_.digest,
                          "the layer has another size than the manifest says; push the image "
                          "again");
      }
      if (got) continue;
      if (got.error().failure_class != FailureClass::kTransient ||
          got.error().reason == "DiskFull") {
        return got;
      }
      if (done_ > before) wait.reset();
      if (!wait.again(got.error(), at_least_)) return got;
    }
    out_.close();
    if (!out_) return disk_full();
    return {};
  }

 private:
  Result<void> once() {
    at_least_ = {};
    HttpRequest request{.url = client_.blob_url(layer_.digest)};
    request.headers.emplace("Range",
                            "bytes=" + std::to_string(done_) + "-" + std::to_string(wanted_ - 1));
    std::uint64_t skip = 0;
    bool begun = false;
    request.on_body = [&](const HttpResponse& head, std::string_view piece) {
      if (!std::exchange(begun, true)) {
        const std::string range = head.header("Content-Range");
        other_size_ = !range.empty() && !range.ends_with("/*") &&
                      !range.ends_with("/" + std::to_string(layer_.size_bytes));
        const bool resumed =
            head.status == 206 && range.starts_with("bytes " + std::to_string(done_) + "-");
        skip = resumed ? 0 : done_;  // a registry without ranges sends all
      }
      const auto dropped = std::min<std::uint64_t>(skip, piece.size());
      skip -= dropped;
      piece.remove_prefix(dropped);
      piece = piece.substr(0, wanted_ - done_);
      out_.write(piece.data(), static_cast<std::streamsize>(piece.size()));
      done_ += piece.size();
      if (call_.on_progress) call_.on_progress(done_);
      return out_.good() && done_ < wanted_ && !other_size_;
    };
    const auto answer = client_.send_once(std::move(request), call_);
    if (!out_) return disk_full();
    if (!answer) return tl::unexpected(answer.error());
    if (answer->status == 200 || answer->status == 206) return {};
    at_least_ = retry_after(*answer).value_or(std::chrono::seconds(0));
    return tl::unexpected(client_.failure(*answer));
  }

  tl::unexpected<Failure> disk_full() const {
    return transient("DiskFull", "cannot write " + file_.string());
  }

  RegistryClient& client_;
  const PulledLayer& layer_;
  const std::filesystem::path& file_;
  const std::uint64_t wanted_;
  const RegistryCall& call_;
  std::ofstream out_;
  std::uint64_t done_ = 0;
  bool other_size_ = false;  // than the manifest says
  std::chrono::milliseconds at_least_{0};
};

}  // namespace

std::uint64_t PulledImage::size_bytes() const {
  std::uint64_t total = 0;
  for (const auto& layer : layers) total += layer.size_bytes;
  return total;
}

Result<std::variant<PulledImage, std::string>> read_manifest(const RemoteManifest& manifest,
                                                             const std::string& shown) {
  const json document = json::parse(manifest.body, nullptr, false);
  if (!document.is_object()) return unreadable(shown, "its manifest is no JSON object");
  if (document.contains("manifests")) {
    auto chosen = choose_platform(list_of(document, "manifests"), shown);
    if (!chosen) return tl::unexpected(chosen.error());
    return *std::move(chosen);
  }
  if (!document.contains("layers")) {
    return unreadable(shown, "expected an image manifest of OCI or Docker's version 2");
  }
  auto image = read_image(document, manifest, shown);
  if (!image) return tl::unexpected(image.error());
  return *std::move(image);
}

Result<PulledImage> resolve_image(RegistryClient& client, const RegistryCall& call) {
  const ImageReference& target = client.target();
  const std::string name = target.registry + "/" + target.repository;
  std::string reference = target.digest.empty() ? target.tag : target.digest;
  for (int hops = 0; hops < 2; ++hops) {  // an index, then a manifest
    const std::string shown =
        fmt::format("{}{}{}", name, is_digest(reference) ? "@" : ":", reference);
    const auto manifest = client.manifest(reference, call);
    if (!manifest) return tl::unexpected(manifest.error());
    if (!*manifest) {
      return permanent("ImageNotFound", "registry " + target.registry + " has no image " + shown +
                                            ": check tuning.input.image");
    }
    if (is_digest(reference) && (*manifest)->digest != reference) {
      return unreadable(
          shown, "the registry gives a manifest with another digest, " + (*manifest)->digest);
    }
    auto read = read_manifest(**manifest, shown);
    if (!read) return tl::unexpected(read.error());
    if (auto* image = std::get_if<PulledImage>(&*read)) return std::move(*image);
    reference = std::get<std::string>(*read);
  }
  return unreadable(name, "its index names another index");
}

Result<void> pull_layer(RegistryClient& client, const PulledLayer& layer,
                        const std::filesystem::path& file, const RegistryCall& call) {
  while (true) {
    std::error_code ignored;
    const bool resumed = std::filesystem::exists(file, ignored);
    auto fetched = LayerFetch(client, layer, file, layer.size_bytes, call).run();
    if (!fetched) return fetched;
    const auto found = sha256_of_file(file);
    if (!found) return tl::unexpected(found.error());
    if ("sha256:" + *found == layer.digest) return {};
    std::filesystem::remove(file, ignored);
    if (resumed) continue;  // what was there was not of this layer, or damaged
    return unreadable(layer.digest, "the registry gives a layer with another digest, sha256:" +
                                        *found + "; push the image again");
  }
}

Result<void> pull_layer_head(RegistryClient& client, const PulledLayer& layer,
                             std::uint64_t max_bytes, const std::filesystem::path& file,
                             const RegistryCall& call) {
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  return LayerFetch(client, layer, file, std::min(layer.size_bytes, max_bytes), call).run();
}

}  // namespace tunesmith::registry
