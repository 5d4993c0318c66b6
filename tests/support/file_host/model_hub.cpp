#include "file_host/model_hub.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "runtime/sha256.h"

namespace tunesmith::testing {
namespace {

namespace fs = std::filesystem;

bool is_weights(const std::string& name) {
  return name.ends_with(".safetensors") || name.ends_with(".bin");
}

}  // namespace

std::string Digests::sha256(const fs::path& file) {
  std::error_code error;
  const auto size = fs::file_size(file, error);
  if (error) return "";
  const auto changed = fs::last_write_time(file, error);
  // Held while hashing: a second request for the same large file waits instead of hashing it again.
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[file];
  if (entry.sha256.empty() || entry.size != size || entry.changed != changed) {
    entry = Entry{.size = size, .changed = changed, .sha256 = sha256_of_file(file).value_or("")};
  }
  return entry.sha256;
}

std::optional<HubModel> find_model(const fs::path& root, const std::string& id, Digests& digests) {
  const fs::path folder = root / "models" / id;
  std::error_code error;
  if (!fs::is_directory(folder, error)) return std::nullopt;
  HubModel model{.id = id, .revision = "", .files = {}};
  for (auto it = fs::recursive_directory_iterator(folder, error); !error && it != fs::end(it);
       it.increment(error)) {
    if (it->path().filename().string().starts_with(".")) {
      it.disable_recursion_pending();
    } else if (it->is_regular_file()) {
      model.files.push_back({.name = it->path().lexically_relative(folder).generic_string(),
                             .path = it->path(),
                             .size = it->file_size(),
                             .sha256 = digests.sha256(it->path())});
    }
  }
  std::ranges::sort(model.files, {}, &HubFile::name);
  Sha256 revision;
  for (const HubFile& file : model.files) {
    revision.update(fmt::format("{} {}\n", file.sha256, file.name));
  }
  model.revision = revision.hex().substr(0, 40);
  return model;
}

nlohmann::json describe_model(const HubModel& model, bool blobs) {
  auto siblings = nlohmann::json::array();
  for (const HubFile& file : model.files) {
    nlohmann::json sibling{{"rfilename", file.name}};
    if (blobs) sibling["size"] = file.size;
    if (blobs && is_weights(file.name))
      sibling["lfs"] = {{"sha256", file.sha256}, {"size", file.size}};
    siblings.push_back(std::move(sibling));
  }
  return {{"id", model.id},
          {"modelId", model.id},
          {"sha", model.revision},
          {"private", false},
          {"gated", false},
          {"disabled", false},
          {"tags", {"safetensors"}},
          {"pipeline_tag", "text-generation"},
          {"siblings", std::move(siblings)}};
}

}  // namespace tunesmith::testing
