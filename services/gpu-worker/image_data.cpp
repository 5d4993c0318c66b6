#include "image_data.h"

#include <utility>

#include "part_file.h"
#include "registry/image_unpack.h"
#include "registry/pull_secrets.h"
#include "runtime/sha256.h"

namespace tunesmith::gpu_worker {
namespace {

namespace fs = std::filesystem;

std::string layer_key(const workspace::ImageReference& from, const std::string& digest) {
  return sha256_hex(from.registry + "/" + from.repository + "\n" + digest);
}

}  // namespace

Result<std::vector<fs::path>> ImageData::fetch(const events::v1::ImageData& image,
                                               const std::string& name_space,
                                               const fs::path& folder,
                                               const FetchListener& listener,
                                               std::stop_token stop) const {
  auto target = workspace::parse_image_reference(image.image());
  if (!target) return tl::unexpected(target.error());
  target->digest = image.digest();
  registry::RegistryCall call{.stop = stop,
                              .deadline = clock_.steady_now() + limits_.deadline,
                              .on_wait = listener.on_waiting};
  registry::RegistryCall asking = call;
  asking.deadline = clock_.steady_now() + options_.secret_limit;
  auto credentials = registry::read_pull_secrets(
      options_.secrets_dir, name_space, {image.pull_secrets().begin(), image.pull_secrets().end()},
      target->registry, clock_, options_.registry, asking);
  if (!credentials && credentials.error().reason == "SecretMissing" && !stop.stop_requested()) {
    return permanent("SecretMissing", credentials.error().message);
  }
  if (!credentials) return tl::unexpected(credentials.error());
  registry::RegistryClient client(http_, clock_, options_.registry, *target,
                                  *std::move(credentials), registry::Access::kPull);
  const auto now = registry::resolve_image(client, call);
  if (!now) return tl::unexpected(now.error());

  std::vector<fs::path> layers;
  std::uint64_t before = 0;
  for (const auto& planned : now->layers) {
    call.on_progress = [&](std::uint64_t bytes) { listener.on_bytes(before + bytes); };
    const auto file = layer(client, planned, call);
    if (!file) return tl::unexpected(file.error());
    before += planned.size_bytes;
    listener.on_bytes(before);
    layers.push_back(*file);
  }
  const auto files = registry::unpack_image_data({.program = options_.inspect,
                                                  .layers = std::move(layers),
                                                  .folder = folder,
                                                  .max_bytes = options_.data_limit,
                                                  .limit = limits_.deadline},
                                                 stop);
  if (!files) return tl::unexpected(files.error());
  std::vector<fs::path> paths;
  for (const auto& file : *files) paths.push_back(file.file);
  return paths;
}

Result<fs::path> ImageData::layer(registry::RegistryClient& client,
                                  const registry::PulledLayer& layer,
                                  const registry::RegistryCall& call) const {
  std::error_code error;
  if (fs::create_directories(cache_, error)) {
    fs::permissions(cache_, fs::perms::owner_all, error);
  }
  const std::string hex = layer.digest.substr(layer.digest.find(':') + 1);
  const fs::path complete = cache_ / ("layer-" + layer_key(client.target(), layer.digest));
  const FileLock lock(complete.string() + ".lock");
  const auto on_busy = [&] {
    if (call.on_wait) {
      call.on_wait({FailureClass::kTransient, "CacheBusy",
                    "layer " + layer.digest + " is just being fetched by another worker here"});
    }
  };
  if (auto locked = lock.lock(on_busy, call.stop); !locked) return tl::unexpected(locked.error());
  if (fs::exists(complete, error)) {
    if (const auto found = sha256_of_file(complete); found && *found == hex) return complete;
    fs::remove(complete, error);  // damaged
  }
  const fs::path part = complete.string() + ".part";
  if (auto pulled = registry::pull_layer(client, layer, part, call); !pulled) {
    return tl::unexpected(pulled.error());
  }
  fs::rename(part, complete, error);
  if (error) return tl::unexpected(write_failure(complete, error.value()));
  return complete;
}

}  // namespace tunesmith::gpu_worker
