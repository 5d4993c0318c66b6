#include "data/table.h"

#include <fmt/format.h>

#include <array>
#include <fstream>
#include <sstream>
#include <utility>

#include "data/format.h"
#include "data/parquet_table.h"
#include "data/text_tables.h"

namespace tunesmith::engine {
namespace {

constexpr std::size_t kHeadSizeBytes = 4096;

Result<std::unique_ptr<Table>> open_text(FileFormat format, std::unique_ptr<std::istream> in,
                                         const std::string& name, bool partial) {
  if (format == FileFormat::kCsv) return open_csv(std::move(in), name, partial);
  return open_json(std::move(in), name, format == FileFormat::kJson, partial);
}

}  // namespace

Result<std::unique_ptr<Table>> open_table(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  std::error_code error;
  auto in = std::make_unique<std::ifstream>(path, std::ios::binary);
  if (!std::filesystem::is_regular_file(path, error) || !*in) {
    return permanent("DataNotReadable",
                     fmt::format("{}: no such file, or not readable", path.string()));
  }
  std::array<char, kHeadSizeBytes> buffer{};
  in->read(buffer.data(), buffer.size());
  const std::string_view head(buffer.data(), static_cast<std::size_t>(in->gcount()));
  if (head.empty()) return permanent("DataEmpty", fmt::format("{}: is empty (0 bytes)", name));
  const auto format = detect_format(head, name);
  if (!format) return tl::unexpected(format.error());
  if (*format == FileFormat::kParquet) return open_parquet(path);
  in->clear();
  in->seekg(0);
  return open_text(*format, std::move(in), name, false);
}

Result<std::unique_ptr<Table>> open_table_head(std::string head, const std::string& name,
                                               std::uint64_t size) {
  if (head.empty()) return permanent("DataEmpty", fmt::format("{}: is empty (0 bytes)", name));
  const auto format = detect_format(head, name);
  if (!format) return tl::unexpected(format.error());
  if (*format == FileFormat::kParquet) {
    return permanent("FooterNeeded",
                     fmt::format("{}: is parquet, which describes itself at its end", name));
  }
  const bool partial = head.size() < size;
  return open_text(*format, std::make_unique<std::istringstream>(std::move(head)), name, partial);
}

}  // namespace tunesmith::engine
