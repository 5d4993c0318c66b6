// A data file as a table: named columns of text or of messages, read row by row in bounded memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "failure.h"
#include "text/message.h"

namespace tunesmith::engine {

enum class FileFormat { kParquet, kJsonl, kJson, kCsv };

// "parquet", "jsonl", "json", "csv".
std::string_view name_of(FileFormat format);

enum class ColumnKind { kText, kMessages, kOther };

struct Column {
  std::string name;
  ColumnKind kind = ColumnKind::kOther;
  std::string type;  // as the file's format calls it, for people
};

// A value that has another type or form than its column should have.
struct BadCell {
  std::string why;
};
// Null, text, messages or neither.
using Cell = std::variant<std::monostate, std::string, std::vector<Message>, BadCell>;

// Longest text of one cell and of one record; longer cells are bad, longer records a failure.
inline constexpr std::size_t kMaxCellSizeBytes = 16U << 20;
inline constexpr std::size_t kMaxRecordSizeBytes = 64U << 20;

// Gets the cells of one row, in the order of the columns asked for; may move from them. A failure
// stops the reading and comes back from it.
using CellSink = std::function<Result<void>(std::span<Cell>)>;

// Not thread-safe. Texts that come out are UTF-8.
class Table {
 public:
  virtual ~Table() = default;
  Table() = default;
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  virtual FileFormat format() const = 0;
  // In the order of the file; for json the union over the first records.
  virtual const std::vector<Column>& columns() const = 0;
  // Known without reading for parquet only.
  virtual std::optional<std::uint64_t> row_count() const { return std::nullopt; }
  // Size of these columns' values in bytes before compression, for parquet only.
  virtual std::optional<std::uint64_t> size_of(std::span<const std::string> /*columns*/) const {
    return std::nullopt;
  }
  // Reads all rows; at most once. Fails with DataNotReadable: truncated, not UTF-8, damaged.
  virtual Result<void> read(std::span<const std::string> columns, const CellSink& sink) = 0;
};

// Opens a file; the format is told by its content, then by its ending. Failures, all permanent and
// naming the file: DataNotReadable, DataFormatUnknown, DataEmpty.
Result<std::unique_ptr<Table>> open_table(const std::filesystem::path& path);

// The same from the first bytes of a file of `size` bytes called `name`: what is incomplete at the
// end is left out. Fails with HeadTooShort (transient) when no row is complete, and with
// FooterNeeded for parquet, whose description stands at the end: see parquet_footer_table.
Result<std::unique_ptr<Table>> open_table_head(std::string head, const std::string& name,
                                               std::uint64_t size);

}  // namespace tunesmith::engine
