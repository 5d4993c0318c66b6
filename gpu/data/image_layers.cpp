#include "data/image_layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "data/tar_stream.h"

namespace tunesmith::engine {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFolder = "data";
constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::size_t kMaxIgnored = 20;
constexpr std::array<std::string_view, 5> kEndings = {".parquet", ".jsonl", ".ndjson", ".json",
                                                      ".csv"};

std::string shown(std::string_view path) { return std::string(path.substr(0, 200)); }

std::string_view last_part(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view parent_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

// True for `path` itself and all below.
bool is_within(std::string_view path, std::string_view folder) {
  return path == folder || (path.starts_with(folder) && path[folder.size()] == '/');
}

bool has_data_ending(std::string_view path) {
  std::string name(last_part(path));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

bool has_no_ending(std::string_view path) {
  return last_part(path).find('.') == std::string_view::npos;
}

bool is_hidden(std::string_view path) {
  return path.starts_with('.') || path.find("/.") != std::string_view::npos;
}

// "./data//a" → "data/a"; nullopt when it leads out of the image.
std::optional<std::string> normal_path(std::string_view name) {
  std::string out;
  while (!name.empty()) {
    const auto slash = std::min(name.find('/'), name.size());
    const std::string_view part = name.substr(0, slash);
    name.remove_prefix(std::min(slash + 1, name.size()));
    if (part == "..") return std::nullopt;
    if (part.empty() || part == ".") continue;
    out += (out.empty() ? "" : "/") + std::string(part);
  }
  return out;
}

// "00007-train.jsonl": ours in front, then what of the name is harmless; the ending tells formats.
std::string file_name(std::size_t number, std::string_view path) {
  std::string name(last_part(path));
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-' || c == '_';
    c = plain ? c : '_';
  }
  if (name.size() > 100) name = name.substr(name.size() - 100);
  return fmt::format("{:05}-{}", number, name);
}

class Extraction {
 public:
  Extraction(const fs::path& folder, const ImageLimits& limits, bool partial)
      : folder_(folder), limits_(limits), partial_(partial) {}

  Result<void> layer(const fs::path& file);
  Result<ImageData> finish();

 private:
  struct Found {
    ImageFile file;
    std::size_t layer = 0;
  };
  Result<void> entry(TarStream& tar, const TarItem& item);
  Result<void> keep(TarStream& tar, const std::string& path);
  Result<std::uint64_t> write(TarStream& tar, const fs::path& file);
  void whiteout(const std::string& path);
  void drop_lower_below(const std::string& folder);
  void drop(std::map<std::string, Found>::iterator found);
  void ignore(const std::string& path, std::string why);

  const fs::path& folder_;
  const ImageLimits& limits_;
  const bool partial_;
  const LayerStream* stream_ = nullptr;  // of the layer at hand
  std::size_t layer_ = 0, entries_ = 0, written_ = 0;
  std::uint64_t bytes_before_ = 0;
  bool anything_in_folder_ = false;
  std::map<std::string, Found> found_;
  std::vector<IgnoredEntry> ignored_;
};

Result<void> Extraction::layer(const fs::path& file) {
  auto layer = LayerStream::open(file, file.filename().string(),
                                 limits_.max_bytes - std::min(bytes_before_, limits_.max_bytes));
  if (!layer) return tl::unexpected(layer.error());
  stream_ = &*layer;
  TarStream tar(*layer);
  while (true) {
    const auto item = tar.next();
    if (!item) return tl::unexpected(item.error());
    if (!*item) break;
    if (++entries_ > limits_.max_entries) {
      return permanent("ImageTooLarge",
                       fmt::format("the image holds more than {} entries", limits_.max_entries));
    }
    if (auto taken = entry(tar, **item); !taken) return taken;
  }
  if ((tar.cut() || layer->cut()) && !partial_) {
    return permanent("ImageNotReadable", "layer " + layer->name() +
                                             " ends in the middle of an entry; push the image "
                                             "again");
  }
  bytes_before_ += layer->bytes_read();
  ++layer_;
  return {};
}

Result<void> Extraction::entry(TarStream& tar, const TarItem& item) {
  const auto path = normal_path(item.name);
  if (!path) {
    return permanent("ImageNotReadable", "layer " + stream_->name() + " holds " + shown(item.name) +
                                             ", which leads out of the image");
  }
  if (last_part(*path).starts_with(kWhiteout)) {
    whiteout(*path);
    return {};
  }
  const bool is_folder = item.kind == TarItem::Kind::kFolder;
  if (!is_within(*path, kFolder)) return {};
  if (const auto replaced = found_.find(*path); replaced != found_.end()) drop(replaced);
  if (!is_folder) drop_lower_below(*path);
  if (*path == kFolder || is_folder) {
    if (!is_folder) ignore(*path, "no folder: links are not followed");
    return {};
  }
  anything_in_folder_ = true;
  if (item.kind == TarItem::Kind::kFile) return keep(tar, *path);
  if (item.kind == TarItem::Kind::kLink && has_data_ending(*path) && !is_hidden(*path)) {
    return permanent("ImageNotReadable",
                     shown(*path) +
                         " is a link, which is not followed: put the file itself "
                         "into the image's folder /data");
  }
  ignore(*path, item.kind == TarItem::Kind::kLink ? "a link" : "no regular file");
  return {};
}

// ".wh.x" removes x of the layers below, ".wh..wh..opq" all that they have in the folder.
void Extraction::whiteout(const std::string& path) {
  const std::string folder(parent_of(path));
  const std::string_view name = last_part(path);
  if (name == kOpaque) {
    drop_lower_below(folder);
    return;
  }
  const std::string target =
      (folder.empty() ? "" : folder + "/") + std::string(name.substr(kWhiteout.size()));
  const auto found = found_.find(target);
  if (found != found_.end() && found->second.layer < layer_) drop(found);
  drop_lower_below(target);
}

// What the layers below have in a folder that is none any more.
void Extraction::drop_lower_below(const std::string& folder) {
  const std::string prefix = folder.empty() ? "" : folder + "/";
  auto found = found_.lower_bound(prefix);
  while (found != found_.end() && found->first.starts_with(prefix)) {
    const auto next = std::next(found);
    if (found->second.layer < layer_) drop(found);
    found = next;
  }
}

void Extraction::drop(std::map<std::string, Found>::iterator found) {
  std::error_code ignored;
  fs::remove(found->second.file.file, ignored);
  found_.erase(found);
}

Result<void> Extraction::keep(TarStream& tar, const std::string& path) {
  if (is_hidden(path) || (!has_data_ending(path) && !has_no_ending(path))) {
    ignore(path, "not named as a data file");
    return {};
  }
  if (found_.size() == limits_.max_files) {
    return permanent(
        "ImageTooLarge",
        fmt::format("the image's folder /data holds more than {} files", limits_.max_files));
  }
  const fs::path file = folder_ / file_name(written_++, path);
  const auto size = write(tar, file);
  if (!size) return tl::unexpected(size.error());
  found_[path] = {{path, file, *size, tar.cut()}, layer_};
  return {};
}

Result<std::uint64_t> Extraction::write(TarStream& tar, const fs::path& file) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  std::array<char, 64U << 10> piece;
  std::uint64_t size = 0;
  while (true) {
    const auto count = tar.read(piece);
    if (!count) return tl::unexpected(count.error());
    if (*count == 0) break;
    out.write(piece.data(), static_cast<std::streamsize>(*count));
    size += *count;
  }
  out.close();
  if (!out) return transient("DiskFull", "cannot write " + file.string());
  return size;
}

void Extraction::ignore(const std::string& path, std::string why) {
  if (ignored_.size() < kMaxIgnored) ignored_.push_back({path, std::move(why)});
}

Result<ImageData> Extraction::finish() {
  const bool any_ending = std::any_of(
      found_.begin(), found_.end(), [](const auto& found) { return has_data_ending(found.first); });
  ImageData data;
  for (auto found = found_.begin(); found != found_.end();) {
    const auto next = std::next(found);
    if (any_ending && !has_data_ending(found->first)) {
      ignore(found->first, "not named as a data file");
      drop(found);
    } else {
      data.files.push_back(found->second.file);
    }
    found = next;
  }
  data.ignored = ignored_;
  if (!data.files.empty() || partial_) return data;
  if (!anything_in_folder_) {
    return permanent("ImageHasNoData",
                     "the image has nothing in a folder /data: put the training data there");
  }
  return permanent("ImageHasNoDataFile",
                   "no file in the image's folder /data is a data file: expected .parquet, .jsonl, "
                   ".json or .csv" +
                       (ignored_.empty() ? "" : ", found " + shown(ignored_.front().path)));
}

}  // namespace

Result<ImageData> extract_image_data(std::span<const fs::path> layers, const fs::path& folder,
                                     const ImageLimits& limits, bool partial) {
  Extraction extraction(folder, limits, partial);
  for (const fs::path& layer : layers) {
    if (auto done = extraction.layer(layer); !done) return tl::unexpected(done.error());
  }
  return extraction.finish();
}

nlohmann::ordered_json image_data_json(const ImageData& data) {
  using Json = nlohmann::ordered_json;
  Json files = Json::array(), ignored = Json::array();
  for (const auto& file : data.files) {
    files.push_back({{"path", file.path},
                     {"file", file.file.filename().string()},
                     {"size_bytes", file.size_bytes},
                     {"cut", file.cut}});
  }
  for (const auto& entry : data.ignored) {
    ignored.push_back({{"path", entry.path}, {"why", entry.why}});
  }
  return {{"image_files", std::move(files)}, {"ignored", std::move(ignored)}};
}

}  // namespace tunesmith::engine
