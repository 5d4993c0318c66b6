#include "image-builder/output_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <utility>

#include "image-builder/adapter_image.h"
#include "image-builder/folder_manifest.h"
#include "runtime/sha256.h"
#include "runtime/text.h"

namespace tunesmith::image_builder {

namespace {

namespace fs = std::filesystem;
namespace v1 = events::v1;

constexpr const char* kConfig = "adapter_config.json";
constexpr const char* kWeights = "adapter_model.safetensors";
constexpr const char* kReadme = "README.md";
// Says whose files lie there while tunesmith.json does not.
constexpr const char* kMarker = ".tunesmith-writing";
constexpr std::array<const char*, 4> kOurs = {kConfig, kWeights, kReadme, kFolderManifest};
constexpr std::size_t kMaxManifestBytes = 1u << 20;

tl::unexpected<Failure> unwritable(const std::string& folder, int error) {
  const std::string message =
      "the output folder " + folder + " cannot be written: " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT) return transient("DiskFull", message);
  return permanent("OutputNotWritable",
                   message + "; give the image-builder's user the right to write there");
}

// `real` is one of the folders or lies below one, links followed.
bool is_allowed(const fs::path& real, const std::vector<fs::path>& allowed) {
  return std::any_of(allowed.begin(), allowed.end(), [&](const fs::path& folder) {
    std::error_code error;
    const fs::path canonical = fs::canonical(folder, error);
    return !error &&
           std::mismatch(canonical.begin(), canonical.end(), real.begin(), real.end()).first ==
               canonical.end();
  });
}

// Without following a link in the last place, and never a device or FIFO.
std::optional<std::string> small_file(const fs::path& file) {
  std::error_code error;
  if (fs::symlink_status(file, error).type() != fs::file_type::regular) return std::nullopt;
  const auto text = read_file(file, kMaxManifestBytes);
  return text ? std::optional(*text) : std::nullopt;
}

// A new file, 0644, on the disk when it is closed.
class NewFile {
 public:
  explicit NewFile(const fs::path& path) {
    std::error_code ignored;  // of an earlier try
    fs::remove(path, ignored);
    fd_ = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644);
    error_ = fd_ < 0 ? errno : 0;
  }
  ~NewFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(std::string_view bytes) {
    digest_.update(bytes);
    size_ += bytes.size();
    while (error_ == 0 && !bytes.empty()) {
      const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
      if (count < 0) error_ = errno;
      if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  int finish() {
    if (error_ == 0 && ::fsync(fd_) != 0) error_ = errno;
    return error_;
  }
  FolderFile facts(const std::string& name) { return {name, size_, digest_.hex()}; }

 private:
  int fd_ = -1, error_ = 0;
  Sha256 digest_;
  std::uint64_t size_ = 0;
};

// Calls at the end of a scope.
class Remains {
 public:
  explicit Remains(std::function<void()> remove) : remove_(std::move(remove)) {}
  ~Remains() { remove_(); }
  Remains(const Remains&) = delete;
  Remains& operator=(const Remains&) = delete;

 private:
  std::function<void()> remove_;
};

}  // namespace

OutputFolder::OutputFolder(OutputFolder&& other) noexcept
    : plan_(other.plan_), fd_(std::exchange(other.fd_, -1)) {}

OutputFolder::~OutputFolder() {
  if (fd_ >= 0) ::close(fd_);
}

fs::path OutputFolder::path(const std::string& name) const {
  return fs::path("/proc/self/fd") / std::to_string(fd_) / name;
}

Result<OutputFolder> OutputFolder::open(const v1::Plan& plan,
                                        const std::vector<fs::path>& allowed) {
  const fs::path wanted(plan.output().volume_path());
  const auto refused = [&] {
    return permanent("OutputPathNotAllowed",
                     "the output folder " + wanted.string() +
                         " lies in none of the folders that the operator allows (key "
                         "allowed_host_paths, `tunesmith up --allow-host-path`)");
  };
  const bool dots = std::any_of(wanted.begin(), wanted.end(),
                                [](const fs::path& part) { return part == "." || part == ".."; });
  if (!wanted.is_absolute() || dots) return refused();
  // Judged before anything is made: the nearest folder that is there.
  fs::path there = wanted;
  std::error_code error;
  while (!fs::exists(there, error) && there != there.root_path()) there = there.parent_path();
  const fs::path real = fs::canonical(there, error);
  if (error || !is_allowed(real, allowed)) return refused();
  fs::create_directories(wanted, error);
  if (error) return unwritable(wanted.string(), error.value());
  const int fd = ::open(wanted.c_str(), O_DIRECTORY | O_RDONLY | O_CLOEXEC);
  if (fd < 0) return unwritable(wanted.string(), errno);
  OutputFolder folder(plan, fd);
  const fs::path opened = fs::read_symlink("/proc/self/fd/" + std::to_string(fd), error);
  if (error || !is_allowed(opened, allowed)) return refused();
  if (auto writable = folder.prove_writable(); !writable) return tl::unexpected(writable.error());
  if (auto free = folder.check_free(); !free) return tl::unexpected(free.error());
  return folder;
}

Result<void> OutputFolder::prove_writable() const {
  const fs::path probe = path(".tunesmith-probe-" + std::to_string(::getpid()));
  NewFile file(probe);
  file.write("x");
  const int error = file.finish();
  std::error_code ignored;
  fs::remove(probe, ignored);
  if (error != 0) return unwritable(plan_.output().volume_path(), error);
  return {};
}

Result<void> OutputFolder::check_free() const {
  const auto marker = small_file(path(kMarker));
  const auto manifest = small_file(path(kFolderManifest));
  const std::string key = marker     ? read_folder_manifest(*marker).tuning_key
                          : manifest ? read_folder_manifest(*manifest).tuning_key
                                     : "";
  if (key == plan_.tuning_key() || plan_.output().replace_tag()) return {};
  std::error_code error;
  const auto taken = std::find_if(kOurs.begin(), kOurs.end(), [&](const char* name) {
    return fs::symlink_status(path(name), error).type() != fs::file_type::not_found;
  });
  if (taken == kOurs.end() && !marker) return {};
  return permanent(
      "OutputFolderTaken",
      "the output folder " + plan_.output().volume_path() + " already holds " +
          (key.empty() ? std::string(*taken) + ", which tunesmith did not write"
                       : "the adapter of another tuning (key " + key.substr(0, 12) + "…)") +
          "; choose another folder, or allow overwriting with the annotation "
          "tunesmith.dev/replace-tag: \"true\"");
}

std::optional<StoredAdapter> OutputFolder::stored() const {
  const auto manifest = small_file(path(kFolderManifest));
  if (!manifest) return std::nullopt;
  const auto content = read_folder_manifest(*manifest);
  std::error_code error;
  if (content.tuning_key != plan_.tuning_key() || fs::exists(path(kMarker), error)) {
    return std::nullopt;
  }
  StoredAdapter found{"sha256:" + sha256_hex(*manifest), manifest->size()};
  std::vector<std::string> names;
  for (const auto& file : content.files) {
    const bool ours = std::find(kOurs.begin(), kOurs.end(), file.name) != kOurs.end();
    if (!ours || fs::symlink_status(path(file.name), error).type() != fs::file_type::regular) {
      return std::nullopt;
    }
    const auto digest = sha256_of_file(path(file.name));
    if (!digest || *digest != file.sha256) return std::nullopt;
    found.size_bytes += file.size_bytes;
    names.push_back(file.name);
  }
  const bool whole = std::find(names.begin(), names.end(), kConfig) != names.end() &&
                     std::find(names.begin(), names.end(), kWeights) != names.end();
  return whole ? std::optional(found) : std::nullopt;
}

Result<StoredAdapter> OutputFolder::write(const fs::path& adapter_tar) const {
  const auto found = find_adapter_files(adapter_tar);
  if (!found) return tl::unexpected(found.error());
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    return transient("OutputFolderBusy",
                     "another Workspace is just writing into " + plan_.output().volume_path());
  }
  const auto temporary = [](const std::string& name) { return ".tunesmith-new-" + name; };
  const Remains remains([&] {
    std::error_code ignored;
    for (const char* name : kOurs) fs::remove(path(temporary(name)), ignored);
    ::flock(fd_, LOCK_UN);
  });
  // Another may have stored its adapter since open().
  if (auto free = check_free(); !free) return tl::unexpected(free.error());
  const std::string& shown = plan_.output().volume_path();
  StoredAdapter stored;
  std::vector<FolderFile> files;
  const auto add = [&](const std::string& name, auto&& content) -> Result<void> {
    NewFile file(path(temporary(name)));
    if (Result<void> copied = content(file); !copied) return copied;
    if (const int error = file.finish(); error != 0) return unwritable(shown, error);
    files.push_back(file.facts(name));
    stored.size_bytes += files.back().size_bytes;
    return {};
  };
  const auto text = [](std::string bytes) {
    return [bytes = std::move(bytes)](NewFile& file) -> Result<void> {
      file.write(bytes);
      return {};
    };
  };
  const auto from_tar = [&](const TarEntry& entry) {
    return [&adapter_tar, source = &entry](NewFile& file) {
      return copy_entry(adapter_tar, *source, [&](std::string_view piece) { file.write(piece); });
    };
  };
  for (const auto& written :
       {add(kConfig, from_tar(found->config)), add(kWeights, from_tar(found->weights)),
        add(kReadme, text(folder_readme(plan_)))}) {
    if (!written) return tl::unexpected(written.error());
  }
  const std::string manifest = folder_manifest(plan_, files);
  if (auto written = add(kFolderManifest, text(manifest)); !written) {
    return tl::unexpected(written.error());
  }
  // From here on the marker says whose the files are, until the manifest stands.
  if (auto marked = write_file(path(kMarker), folder_manifest(plan_, {}), 0644); !marked) {
    return tl::unexpected(marked.error());
  }
  std::error_code error;
  fs::remove(path(kFolderManifest), error);
  for (const char* name : kOurs) {
    fs::rename(path(temporary(name)), path(name), error);
    if (error) return unwritable(shown, error.value());
  }
  fs::remove(path(kMarker), error);
  if (error || ::fsync(fd_) != 0) return unwritable(shown, error ? error.value() : errno);
  stored.digest = "sha256:" + sha256_hex(manifest);
  return stored;
}

}  // namespace tunesmith::image_builder
