#include "inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "runtime/retry.h"
#include "workspace/url_guard.h"

namespace tunesmith::gpu_worker {
namespace {

namespace fs = std::filesystem;
using events::v1::TuningProgressed;

std::uint64_t total_bytes(const events::v1::Plan& plan) {
  std::uint64_t total = 0;
  for (const auto& file : plan.tuning().model().files()) total += file.size_bytes();
  const auto& data = plan.tuning().data();
  for (const auto& file : data.files()) total += file.size_bytes();
  for (const auto& file : data.volume().files()) total += file.size_bytes();
  for (const auto& layer : data.image().layers()) total += layer.size_bytes();
  return total;
}

}  // namespace

Result<void> Inputs::fetch(const RunFolder& folder, std::stop_token stop) {
  if (are_here_) return {};
  TuningProgressed change;
  change.set_phase("Downloading");
  change.set_bytes_total(total_bytes(run_.plan()));
  run_.progress.update(change);
  bytes_before_ = 0;
  data_.clear();
  if (auto fetched = fetch_model(folder, stop); !fetched) return fetched;
  if (auto fetched = fetch_data(folder, stop); !fetched) return fetched;
  if (auto fetched = fetch_volume(folder, stop); !fetched) return fetched;
  if (auto fetched = fetch_image(folder, stop); !fetched) return fetched;
  run_.log.info("model and data are here", {{"bytes", bytes_before_}});
  are_here_ = true;
  return {};
}

Result<void> Inputs::fetch_model(const RunFolder& folder, std::stop_token stop) {
  const auto& model = run_.plan().tuning().model();
  const auto hub = access_to(AccessTo::kModelHub, model.access_secret(), stop);
  if (!hub) return tl::unexpected(hub.error());
  for (const auto& file : model.files()) {
    auto placed = fetch_file(run_.parts.models, file, folder.model(), *hub, stop);
    if (!placed) return tl::unexpected(placed.error());
  }
  return {};
}

Result<void> Inputs::fetch_data(const RunFolder& folder, std::stop_token stop) {
  for (const auto& file : run_.plan().tuning().data().files()) {
    const auto access = access_to(AccessTo::kData, file.secret(), stop);
    if (!access) return tl::unexpected(access.error());
    auto placed = fetch_file(run_.parts.data, file, folder.data(), *access, stop);
    if (!placed) return tl::unexpected(placed.error());
    data_.push_back(*placed);
  }
  return {};
}

// A secret that is missing is waited for: the planner had it, somebody may be changing it.
Result<Access> Inputs::access_to(AccessTo what, const std::string& secret, std::stop_token stop) {
  const auto deadline = run_.parts.clock.steady_now() + run_.parts.options.secret_limit;
  Backoff backoff({.first = std::chrono::seconds(1), .most = std::chrono::seconds(10)}, 1);
  while (true) {
    auto access =
        read_access(run_.parts.options.secrets_dir, run_.workspace().namespace_(), secret, what);
    if (access || access.error().failure_class != FailureClass::kTransient) return access;
    if (run_.parts.clock.steady_now() >= deadline) {
      return permanent(access.error().reason, access.error().message);
    }
    run_.tell_waiting(access.error());
    if (!wait_for(backoff.next(), stop)) return transient("Stopped", "the run was stopped");
  }
}

Result<fs::path> Inputs::fetch_file(const FileCache& cache, const events::v1::RemoteFile& file,
                                    const fs::path& folder, const Access& access,
                                    std::stop_token stop) {
  std::uint64_t here = 0;
  const FetchListener hears = listener(here);
  auto cached = run_.with_room(stop, [&] { return cache.fetch(file, hears, stop, access); });
  if (!cached) return cached;
  bytes_before_ += here;
  return place_file(*cached, folder, file.path());
}

// Files of the machine go through the cache too: what is trained on is what was verified.
Result<void> Inputs::fetch_volume(const RunFolder& folder, std::stop_token stop) {
  const auto& volume = run_.plan().tuning().data().volume();
  std::error_code error;
  const bool is_folder = fs::is_directory(volume.path(), error);
  for (const auto& planned : volume.files()) {
    const fs::path source =
        is_folder ? fs::path(volume.path()) / planned.path() : fs::path(volume.path());
    events::v1::RemoteFile file;
    file.set_url(workspace::file_url(source.string()));
    file.set_path(fmt::format("{:05}-{}", data_.size(), source.filename().string()));
    file.set_size_bytes(planned.size_bytes());
    file.set_sha256(planned.sha256());
    auto placed = fetch_file(run_.parts.volumes, file, folder.data(), {}, stop);
    if (!placed) return tl::unexpected(placed.error());
    data_.push_back(*placed);
  }
  return {};
}

Result<void> Inputs::fetch_image(const RunFolder& folder, std::stop_token stop) {
  if (!run_.plan().tuning().data().has_image()) return {};
  std::uint64_t here = 0;
  const FetchListener hears = listener(here);
  auto files = run_.with_room(stop, [&] {
    return run_.parts.images.fetch(run_.plan().tuning().data().image(),
                                   run_.workspace().namespace_(), folder.data() / "image", hears,
                                   stop);
  });
  if (!files) return tl::unexpected(files.error());
  bytes_before_ += here;
  data_.insert(data_.end(), files->begin(), files->end());
  return {};
}

FetchListener Inputs::listener(std::uint64_t& here) {
  return {.on_bytes =
              [this, &here](std::uint64_t bytes) {
                run_.parts.metrics.downloaded(bytes > here ? bytes - here : 0);
                here = bytes;
                TuningProgressed change;
                change.set_bytes_done(bytes_before_ + here);
                // Some hosts do not tell sizes: never more done than in all.
                change.set_bytes_total(std::max(total_bytes(run_.plan()), bytes_before_ + here));
                run_.progress.update(change);
              },
          .on_waiting = [this](const Failure& why) { run_.tell_waiting(why); }};
}

}  // namespace tunesmith::gpu_worker
