#include "data/parquet_table.h"

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "data/arrow_cells.h"

namespace tunesmith::engine {
namespace {

constexpr std::int64_t kRowsPerBatch = 256;
// What Arrow may hold at once for one file: a damaged or hostile file ends here, not the machine.
constexpr std::int64_t kMaxMemoryBytes = 4LL << 30;
// "PAR1" and the length of the description before it.
constexpr std::size_t kTailSizeBytes = 8;
constexpr std::size_t kMaxFooterSizeBytes = 64U << 20;

tl::unexpected<Failure> not_readable(const std::string& name, std::string_view why) {
  std::string line(why.substr(0, 300));
  std::replace(line.begin(), line.end(), '\n', ' ');
  return permanent("DataNotReadable",
                   fmt::format("{}: damaged or truncated parquet: {}", name, line));
}

// What a file says about itself.
struct Description {
  std::shared_ptr<parquet::FileMetaData> metadata;
  std::shared_ptr<arrow::Schema> schema;
  std::vector<Column> columns;
};

Result<Description> describe(std::shared_ptr<parquet::FileMetaData> metadata,
                             const std::string& name) {
  Description description{.metadata = std::move(metadata), .schema = nullptr, .columns = {}};
  const auto& file = *description.metadata;
  if (file.num_rows() == 0) return permanent("DataEmpty", fmt::format("{}: has no rows", name));
  const auto status =
      parquet::arrow::FromParquetSchema(file.schema(), parquet::default_arrow_reader_properties(),
                                        file.key_value_metadata(), &description.schema);
  if (!status.ok()) return not_readable(name, status.message());
  for (const auto& field : description.schema->fields()) {
    description.columns.push_back({.name = field->name(),
                                   .kind = kind_of(*field->type()),
                                   .type = field->type()->ToString()});
  }
  return description;
}

// Leaf columns of the file that belong to the top-level column `name`.
std::vector<int> leaves_of(const parquet::FileMetaData& file, const std::string& name) {
  std::vector<int> leaves;
  for (int i = 0; i < file.schema()->num_columns(); ++i) {
    if (file.schema()->GetColumnRoot(i)->name() == name) leaves.push_back(i);
  }
  return leaves;
}

class ParquetTable final : public Table {
 public:
  // reader may be null: only the description is known.
  ParquetTable(std::string name, Description description,
               std::unique_ptr<arrow::CappedMemoryPool> pool,
               std::unique_ptr<parquet::arrow::FileReader> reader)
      : name_(std::move(name)),
        description_(std::move(description)),
        pool_(std::move(pool)),
        reader_(std::move(reader)) {}

  FileFormat format() const override { return FileFormat::kParquet; }
  const std::vector<Column>& columns() const override { return description_.columns; }
  std::optional<std::uint64_t> row_count() const override {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, description_.metadata->num_rows()));
  }

  std::optional<std::uint64_t> size_of(std::span<const std::string> columns) const override try {
    std::uint64_t size = 0;
    for (const std::string& column : columns) {
      for (const int leaf : leaves_of(*description_.metadata, column)) {
        for (int group = 0; group < description_.metadata->num_row_groups(); ++group) {
          const auto chunk = description_.metadata->RowGroup(group)->ColumnChunk(leaf);
          size += static_cast<std::uint64_t>(
              std::max<std::int64_t>(0, chunk->total_uncompressed_size()));
        }
      }
    }
    return size;
  } catch (const std::exception&) {
    return std::nullopt;
  }

  Result<void> read(std::span<const std::string> columns, const CellSink& sink) override try {
    if (!reader_) return permanent("DataNotReadable", name_ + ": only its end is here");
    std::vector<int> leaves;
    for (const std::string& column : columns) {
      const auto some = leaves_of(*description_.metadata, column);
      leaves.insert(leaves.end(), some.begin(), some.end());
    }
    for (int group = 0; group < description_.metadata->num_row_groups(); ++group) {
      auto batches = reader_->GetRecordBatchReader({group}, leaves);
      if (!batches.ok()) return not_readable(name_, batches.status().message());
      if (auto done = read_group(**batches, columns, sink); !done) return done;
    }
    return {};
  } catch (const std::exception& error) {
    return not_readable(name_, error.what());
  }

 private:
  Result<void> read_group(arrow::RecordBatchReader& batches, std::span<const std::string> columns,
                          const CellSink& sink) {
    std::vector<Cell> cells(columns.size());
    while (true) {
      std::shared_ptr<arrow::RecordBatch> batch;
      auto status = batches.ReadNext(&batch);
      if (status.ok() && batch) status = batch->ValidateFull();
      if (!status.ok()) return not_readable(name_, status.message());
      if (!batch) return {};
      std::vector<std::shared_ptr<arrow::Array>> arrays;
      for (const std::string& column : columns) arrays.push_back(batch->GetColumnByName(column));
      for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
        for (std::size_t i = 0; i < arrays.size(); ++i) {
          cells[i] = arrays[i] ? cell_at(*arrays[i], row) : Cell();
        }
        if (auto done = sink(cells); !done) return done;
      }
    }
  }

  std::string name_;
  Description description_;
  std::unique_ptr<arrow::CappedMemoryPool> pool_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
};

}  // namespace

Result<std::unique_ptr<Table>> open_parquet(const std::filesystem::path& path) try {
  const std::string name = path.filename().string();
  auto pool =
      std::make_unique<arrow::CappedMemoryPool>(arrow::default_memory_pool(), kMaxMemoryBytes);
  auto file = arrow::io::ReadableFile::Open(path.string(), pool.get());
  if (!file.ok()) return not_readable(name, file.status().message());
  parquet::ReaderProperties properties(pool.get());
  properties.enable_buffered_stream();
  parquet::ArrowReaderProperties arrow_properties;
  arrow_properties.set_batch_size(kRowsPerBatch);
  arrow_properties.set_pre_buffer(false);  // would read ahead on threads of Arrow's
  arrow_properties.set_use_threads(false);
  parquet::arrow::FileReaderBuilder builder;
  auto status = builder.Open(*file, properties);
  if (!status.ok()) return not_readable(name, status.message());
  auto description = describe(builder.raw_reader()->metadata(), name);
  if (!description) return tl::unexpected(description.error());
  auto reader = builder.memory_pool(pool.get())->properties(arrow_properties)->Build();
  if (!reader.ok()) return not_readable(name, reader.status().message());
  return std::make_unique<ParquetTable>(name, *std::move(description), std::move(pool),
                                        *std::move(reader));
} catch (const std::exception& error) {
  return not_readable(path.filename().string(), error.what());
}

std::uint64_t parquet_footer_size(const std::string& footer) {
  if (footer.size() < kTailSizeBytes || !footer.ends_with("PAR1")) return 0;
  std::uint32_t length = 0;  // little-endian, as all our machines
  std::memcpy(&length, footer.data() + footer.size() - kTailSizeBytes, sizeof length);
  return std::uint64_t{length} + kTailSizeBytes;
}

Result<std::unique_ptr<Table>> parquet_footer_table(const std::string& footer,
                                                    const std::string& name) try {
  const std::uint64_t needed = parquet_footer_size(footer);
  if (needed == 0) return not_readable(name, "does not end in PAR1");
  if (needed > kMaxFooterSizeBytes) return not_readable(name, "its description is too large");
  if (needed > footer.size()) {
    return transient("FooterTooShort", fmt::format("{}: the last {} bytes are needed, got {}", name,
                                                   needed, footer.size()));
  }
  const auto metadata = parquet::FileMetaData::Make(
      footer.data() + footer.size() - needed, static_cast<std::int64_t>(needed - kTailSizeBytes));
  auto description = describe(metadata, name);
  if (!description) return tl::unexpected(description.error());
  return std::make_unique<ParquetTable>(name, *std::move(description), nullptr, nullptr);
} catch (const std::exception& error) {
  return not_readable(name, error.what());
}

}  // namespace tunesmith::engine
