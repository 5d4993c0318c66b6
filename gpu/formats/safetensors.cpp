#include "formats/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>

#include "formats/files.h"

namespace tunesmith::engine {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

namespace {

constexpr std::uint64_t kHeaderLimitBytes = 100'000'000;  // the reference implementation's limit
// Values of a header, a dozen per tensor: a parsed value takes up to 50 times its text.
constexpr std::size_t kMaxHeaderValues = 1'000'000;
constexpr std::uint64_t kPrefixBytes = 8;  // length of the header

struct DTypeRow {
  DType dtype;
  std::string_view name;
  std::size_t size;
};

// In the order in which a file holds them: the reference implementation's, widest first.
constexpr std::array<DTypeRow, 10> kDTypes = {{{DType::kI64, "I64", 8},
                                               {DType::kF64, "F64", 8},
                                               {DType::kF32, "F32", 4},
                                               {DType::kI32, "I32", 4},
                                               {DType::kBF16, "BF16", 2},
                                               {DType::kF16, "F16", 2},
                                               {DType::kI16, "I16", 2},
                                               {DType::kI8, "I8", 1},
                                               {DType::kU8, "U8", 1},
                                               {DType::kBool, "BOOL", 1}}};

const DTypeRow& row_of(DType dtype) {
  return *std::find_if(kDTypes.begin(), kDTypes.end(),
                       [&](const DTypeRow& row) { return row.dtype == dtype; });
}

// Product of the extents times `unit`, or nothing when one is negative or it does not fit.
std::optional<std::uint64_t> checked_bytes(const std::vector<std::int64_t>& shape,
                                           std::size_t unit) {
  std::uint64_t bytes = unit;
  for (const std::int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes))
      return std::nullopt;
  }
  return bytes;
}

}  // namespace

std::size_t dtype_size(DType dtype) { return row_of(dtype).size; }

std::string_view dtype_name(DType dtype) { return row_of(dtype).name; }

std::int64_t TensorView::element_count() const {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

// --- reading
// ------------------------------------------------------------------------------------------------------

class SafetensorsFile::Mapping {
 public:
  Mapping(void* address, std::size_t size) : address_(address), size_(size) {}
  ~Mapping() { ::munmap(address_, size_); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  std::span<const std::byte> bytes() const {
    return {static_cast<const std::byte*>(address_), size_};
  }

 private:
  void* address_;
  std::size_t size_;
};

namespace {

// One pass over the header: the entries in file order, or the first thing that is wrong.
class HeaderReader {
 public:
  explicit HeaderReader(std::span<const std::byte> data) : data_(data) {}

  // Returns what is wrong, or nothing.
  std::optional<std::string> read(std::string_view header) {
    if (header.empty() || header.front() != '{') return "the header does not start with '{'";
    nlohmann::json json = parse(header);
    if (problem_) return problem_;
    if (!json.is_object()) return "the header is not a JSON object";
    for (const auto& [name, entry] : json.items()) {
      problem_ = name == "__metadata__" ? add_metadata(entry) : add_tensor(name, entry);
      if (problem_) return problem_;
    }
    return check_coverage();
  }

  std::vector<TensorView> tensors;
  SafetensorsMetadata metadata;

 private:
  // nlohmann keeps the last of two equal keys, nests and grows without bound; all are refused here.
  nlohmann::json parse(std::string_view header) {
    std::vector<std::string> names;
    std::size_t values = 0;
    const auto watch = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& value) {
      if (++values > kMaxHeaderValues && !problem_) problem_ = "the header holds too many values";
      if (depth > 3 && !problem_) problem_ = "the header is nested too deeply";
      if (depth == 1 && event == nlohmann::json::parse_event_t::key)
        names.push_back(value.get<std::string>());
      return !problem_;
    };
    auto json = nlohmann::json::parse(header, watch, false);
    if (!problem_ && json.is_discarded()) problem_ = "the header is not JSON";
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (!problem_ && twice != names.end()) problem_ = fmt::format("'{}' occurs twice", *twice);
    return json;
  }

  std::optional<std::string> add_metadata(const nlohmann::json& entry) {
    if (!entry.is_object()) return "__metadata__ is not an object";
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) return fmt::format("metadata '{}' is not a string", key);
      metadata[key] = value.get<std::string>();
    }
    return std::nullopt;
  }

  std::optional<std::string> add_tensor(const std::string& name, const nlohmann::json& entry) {
    if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") ||
        !entry.contains("shape") || !entry.contains("data_offsets")) {
      return fmt::format("'{}' must have exactly dtype, shape and data_offsets", name);
    }
    const auto row = std::find_if(kDTypes.begin(), kDTypes.end(), [&](const DTypeRow& known) {
      return entry["dtype"] == known.name;
    });
    if (row == kDTypes.end())
      return fmt::format("'{}' has the unknown dtype {}", name, entry["dtype"].dump());
    const auto shape = unsigned_list(entry["shape"]);
    const auto offsets = unsigned_list(entry["data_offsets"]);
    if (!shape || !offsets || offsets->size() != 2) {
      return fmt::format("'{}' has a malformed shape or data_offsets", name);
    }
    const auto [begin, end] = std::pair((*offsets)[0], (*offsets)[1]);
    if (begin > end || static_cast<std::uint64_t>(end) > data_.size()) {
      return fmt::format("'{}' lies at bytes {} to {} of {}", name, begin, end, data_.size());
    }
    const auto length = static_cast<std::uint64_t>(end - begin);
    if (checked_bytes(*shape, row->size) != length) {
      return fmt::format("'{}' has {} bytes, which its shape and dtype do not make", name, length);
    }
    tensors.push_back(
        {name, row->dtype, *shape, data_.subspan(static_cast<std::size_t>(begin), length)});
    return std::nullopt;
  }

  static std::optional<std::vector<std::int64_t>> unsigned_list(const nlohmann::json& json) {
    if (!json.is_array()) return std::nullopt;
    std::vector<std::int64_t> values;
    for (const auto& item : json) {
      if (!item.is_number_unsigned() || item.get<std::uint64_t>() > INT64_MAX) return std::nullopt;
      values.push_back(item.get<std::int64_t>());
    }
    return values;
  }

  // Every byte belongs to exactly one tensor.
  std::optional<std::string> check_coverage() const {
    std::vector<const TensorView*> in_order(tensors.size());
    std::transform(tensors.begin(), tensors.end(), in_order.begin(),
                   [](const TensorView& tensor) { return &tensor; });
    std::sort(in_order.begin(), in_order.end(), [](const TensorView* a, const TensorView* b) {
      return std::pair(a->bytes.data(), a->bytes.size()) <
             std::pair(b->bytes.data(), b->bytes.size());
    });
    const std::byte* next = data_.data();
    for (const TensorView* tensor : in_order) {
      if (tensor->bytes.data() != next)
        return fmt::format("there is a gap or an overlap before '{}'", tensor->name);
      next += tensor->bytes.size();
    }
    if (next != data_.data() + data_.size()) return "bytes after the last tensor";
    return std::nullopt;
  }

  std::span<const std::byte> data_;
  std::optional<std::string> problem_;
};

tl::unexpected<Failure> invalid(const std::filesystem::path& path, std::string_view problem) {
  return permanent("ModelFileInvalid",
                   fmt::format("{} is not a valid safetensors file: {}; fetch it again",
                               path.string(), problem));
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info = {};
  if (fd < 0 || ::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    if (fd >= 0) ::close(fd);
    return permanent("ModelFileMissing",
                     fmt::format("cannot read {}: no such readable file", path.string()));
  }
  const auto size = static_cast<std::uint64_t>(info.st_size);
  void* address = size == 0 ? MAP_FAILED : ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  ::close(fd);
  if (address == MAP_FAILED) return invalid(path, "it is empty or cannot be mapped");
  auto mapping = std::make_unique<Mapping>(address, size);
  const auto bytes = mapping->bytes();

  std::uint64_t header_bytes = 0;
  if (size < kPrefixBytes) return invalid(path, "it is shorter than 8 bytes");
  std::memcpy(&header_bytes, bytes.data(), kPrefixBytes);
  if (header_bytes > kHeaderLimitBytes || header_bytes > size - kPrefixBytes) {
    return invalid(path,
                   fmt::format("its header claims {} bytes, the file has {}", header_bytes, size));
  }
  const std::string_view header(reinterpret_cast<const char*>(bytes.data()) + kPrefixBytes,
                                header_bytes);
  HeaderReader reader(bytes.subspan(kPrefixBytes + header_bytes));
  if (const auto problem = reader.read(header)) return invalid(path, *problem);
  return SafetensorsFile(std::move(mapping), std::move(reader.tensors), std::move(reader.metadata));
}

SafetensorsFile::SafetensorsFile(std::unique_ptr<Mapping> mapping, std::vector<TensorView> tensors,
                                 SafetensorsMetadata metadata)
    : mapping_(std::move(mapping)), tensors_(std::move(tensors)), metadata_(std::move(metadata)) {
  std::sort(tensors_.begin(), tensors_.end(),
            [](const TensorView& a, const TensorView& b) { return a.name < b.name; });
}

SafetensorsFile::SafetensorsFile(SafetensorsFile&& other) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&& other) noexcept = default;
SafetensorsFile::~SafetensorsFile() = default;

const TensorView* SafetensorsFile::find(std::string_view name) const {
  const auto at = std::lower_bound(
      tensors_.begin(), tensors_.end(), name,
      [](const TensorView& tensor, std::string_view key) { return tensor.name < key; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

// --- writing
// ------------------------------------------------------------------------------------------------------

namespace {

std::string make_header(std::span<const TensorView* const> tensors,
                        const SafetensorsMetadata& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const TensorView* tensor : tensors) {
    const std::uint64_t end = offset + tensor->bytes.size();
    if (checked_bytes(tensor->shape, dtype_size(tensor->dtype)) != tensor->bytes.size() ||
        header.contains(tensor->name)) {
      throw std::invalid_argument(
          "write_safetensors: shape and bytes disagree, or name used twice: " + tensor->name);
    }
    header[tensor->name] = {{"dtype", dtype_name(tensor->dtype)},
                            {"shape", tensor->shape},
                            {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // keeps the data aligned to 8 bytes
  return text;
}

}  // namespace

Result<void> write_safetensors(const std::filesystem::path& path,
                               std::span<const TensorView> tensors,
                               const SafetensorsMetadata& metadata) {
  std::vector<const TensorView*> in_order;
  for (const auto& tensor : tensors) in_order.push_back(&tensor);
  std::sort(in_order.begin(), in_order.end(), [](const TensorView* a, const TensorView* b) {
    return std::pair(&row_of(a->dtype), std::string_view(a->name)) <
           std::pair(&row_of(b->dtype), std::string_view(b->name));
  });
  const std::string header = make_header(in_order, metadata);
  const std::uint64_t header_bytes = header.size();
  std::vector<std::span<const std::byte>> chunks = {std::as_bytes(std::span(&header_bytes, 1)),
                                                    std::as_bytes(std::span(header))};
  for (const TensorView* tensor : in_order) chunks.push_back(tensor->bytes);
  return write_file_atomically(path, chunks);
}

}  // namespace tunesmith::engine
