#include "planner/volume_source.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "workspace/spelling.h"
#include "workspace/url_guard.h"

namespace tunesmith::planner {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFiles = 10'000;
constexpr std::array<std::string_view, 5> kEndings = {".parquet", ".jsonl", ".ndjson", ".json",
                                                      ".csv"};

bool is_data_file(const fs::path& name) {
  const std::string text = workspace::lower(name.string());
  return !text.starts_with('.') &&
         std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::string_view ending) { return text.ends_with(ending); });
}

// The folder or file itself, links followed, when it is where the operator allows it.
Result<fs::path> real_path(const std::string& path, const std::vector<std::string>& allowed) {
  const auto refused = [&] {
    return permanent("VolumePathNotAllowed",
                     "tuning.input.volumeSource: " + path +
                         " lies in none of the folders that the operator allows (key "
                         "allowed_host_paths, `tunesmith up --allow-host-path`)");
  };
  if (!workspace::is_plain_absolute(path) || !workspace::is_inside(path, allowed)) {
    return refused();
  }
  std::error_code error;
  auto real = fs::canonical(path, error);
  if (error) {
    return permanent("VolumeNotFound",
                     "tuning.input.volumeSource: " + path + " cannot be read: " + error.message());
  }
  std::vector<std::string> folders;
  for (const auto& folder : allowed) {
    if (auto canonical = fs::canonical(folder, error); !error) {
      folders.push_back(canonical.string());
    }
  }
  if (!workspace::is_inside(real.string(), folders)) {
    return refused();
  }
  return real;
}

Result<std::vector<fs::path>> data_files(const fs::path& root, const Patience& patience) {
  std::error_code error;
  if (fs::is_regular_file(root, error)) {
    return std::vector<fs::path>{root};
  }
  std::vector<fs::path> files;
  for (fs::recursive_directory_iterator entry(root, error), end; !error && entry != end;
       entry.increment(error)) {
    if (patience.stop.stop_requested()) {
      return transient("Stopped", "the planner was asked to stop");
    }
    const auto type = entry->symlink_status(error).type();
    const fs::path name = entry->path().filename();
    if (type == fs::file_type::directory && name.string().starts_with('.')) {
      entry.disable_recursion_pending();
    }
    if (type != fs::file_type::regular || !is_data_file(name)) {
      continue;
    }
    if (files.size() == kMaxFiles) {
      return permanent("VolumeTooLarge", root.string() + " holds more than 10,000 data files");
    }
    files.push_back(entry->path());
  }
  if (error) {
    return permanent("VolumeNotFound", root.string() + " cannot be read: " + error.message());
  }
  if (files.empty()) {
    return permanent("VolumeHasNoDataFile",
                     "no file in " + root.string() +
                         " is a data file: expected .parquet, .jsonl, .json or .csv");
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Result<OtherData> look_into_volume(const std::string& path, const ProbeTools& tools,
                                   const Patience& patience) {
  const auto root = real_path(path, tools.allowed_data_paths);
  if (!root) {
    return tl::unexpected(root.error());
  }
  const auto files = data_files(*root, patience);
  if (!files) {
    return tl::unexpected(files.error());
  }
  OtherData found;
  auto& volume = *found.data.mutable_volume();
  volume.set_path(path);
  for (const fs::path& file : *files) {
    const auto probed = probe(workspace::file_url(file.string()), tools, patience);
    if (!probed) {
      return tl::unexpected(probed.error());
    }
    const Inspection& inspection = probed->inspection;
    if (!volume.files().empty() && inspection.layout != found.data.layout()) {
      return permanent("MixedLayouts", "all data files must have one layout, found '" +
                                           found.data.layout() + "' in the first and '" +
                                           inspection.layout + "' in " + file.string());
    }
    found.data.set_layout(inspection.layout);
    found.data.set_rows(found.data.rows() + inspection.rows);
    found.estimated_tokens += inspection.estimated_tokens;
    auto& entry = *volume.add_files();
    entry.set_path(*root == file ? file.filename().string()
                                 : file.lexically_relative(*root).generic_string());
    entry.set_size_bytes(probed->file.size_bytes());
    entry.set_sha256(probed->file.sha256());
  }
  return found;
}

}  // namespace tunesmith::planner
