// csv as in RFC 4180, separated by comma, semicolon or tab.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "data/text_tables.h"
#include "text/utf8.h"

namespace tunesmith::engine {
namespace {

constexpr int kEnd = std::char_traits<char>::eof();
constexpr std::size_t kMaxColumns = 1000;
// The separator is told by so much of the header.
constexpr std::size_t kHeaderSizeBytes = 64U << 10;

class CsvTable final : public Table {
 public:
  CsvTable(std::unique_ptr<std::istream> in, std::string name, bool partial)
      : in_(std::move(in)), name_(std::move(name)), partial_(partial) {}

  Result<void> open() {
    if (in_->peek() == 0xEF) in_->ignore(3);  // byte order mark
    std::string line(kHeaderSizeBytes, '\0');
    const auto start = in_->tellg();
    in_->read(line.data(), static_cast<std::streamsize>(line.size()));
    line.resize(static_cast<std::size_t>(in_->gcount()));
    line.resize(std::min(line.size(), line.find('\n')));
    in_->clear();
    in_->seekg(start);
    separator_ = choose_separator(line);
    auto header = next();
    if (!header) return tl::unexpected(header.error());
    if (!header->has_value() && partial_) {
      return transient("HeadTooShort", fmt::format("{}: no complete row in it", name_));
    }
    if (!header->has_value()) return permanent("DataEmpty", fmt::format("{}: is empty", name_));
    for (std::string& field : **header) {
      columns_.push_back({.name = std::move(field), .kind = ColumnKind::kText, .type = "text"});
    }
    return {};
  }

  FileFormat format() const override { return FileFormat::kCsv; }
  const std::vector<Column>& columns() const override { return columns_; }

  Result<void> read(std::span<const std::string> columns, const CellSink& sink) override {
    std::vector<std::size_t> places;
    for (const std::string& wanted : columns) {
      const auto it = std::find_if(columns_.begin(), columns_.end(),
                                   [&](const Column& column) { return column.name == wanted; });
      places.push_back(static_cast<std::size_t>(it - columns_.begin()));
    }
    std::vector<Cell> cells(columns.size());
    while (true) {
      auto fields = next();
      if (!fields) return tl::unexpected(fields.error());
      if (!fields->has_value()) return {};
      const bool fits = (*fields)->size() == columns_.size();
      for (std::size_t i = 0; i < places.size(); ++i) {
        cells[i] = fits ? Cell((**fields)[places[i]])
                        : Cell(BadCell{"a row with another number of fields than the header"});
      }
      if (auto done = sink(cells); !done) return done;
    }
  }

 private:
  static char choose_separator(const std::string& header) {
    char best = ',';
    for (const char c : {';', '\t'}) {
      if (std::count(header.begin(), header.end(), c) >
          std::count(header.begin(), header.end(), best)) {
        best = c;
      }
    }
    return best;
  }

  tl::unexpected<Failure> failure(std::string_view what) const {
    return permanent("DataNotReadable", fmt::format("{}: row {} {}", name_, row_, what));
  }

  // One record; nullopt at the end. Empty lines are skipped.
  Result<std::optional<std::vector<std::string>>> next() {
    while (true) {
      ++row_;
      std::vector<std::string> fields(1);
      const auto ended = read_record(fields);
      if (!ended) return tl::unexpected(ended.error());
      const bool empty = fields.size() == 1 && fields[0].empty();
      if (*ended && (empty || partial_)) return std::nullopt;
      if (empty) continue;
      for (const std::string& field : fields) {
        if (!is_utf8(field)) return failure("is not UTF-8");
      }
      return fields;
    }
  }

  // Fills the fields; true when the stream ended with this record.
  Result<bool> read_record(std::vector<std::string>& fields) {
    auto& buffer = *in_->rdbuf();
    std::size_t size = 0;
    bool quoted = false;
    while (true) {
      const int c = buffer.sbumpc();
      std::string& field = fields.back();
      if (c == kEnd) {
        if (quoted && !partial_) return failure("has an open quote at the end: truncated?");
        return true;
      }
      if (++size > kMaxRecordSizeBytes) return failure("is too long: an open quote?");
      if (quoted) {
        if (c != '"') {
          field += static_cast<char>(c);
        } else if (buffer.sgetc() == '"') {
          field += static_cast<char>(buffer.sbumpc());
        } else {
          quoted = false;
        }
      } else if (c == '"' && field.empty()) {
        quoted = true;
      } else if (c == separator_) {
        if (fields.size() >= kMaxColumns) return failure("has too many fields");
        fields.emplace_back();
      } else if (c == '\n') {
        if (field.ends_with('\r')) field.pop_back();
        return false;
      } else {
        field += static_cast<char>(c);
      }
    }
  }

  std::unique_ptr<std::istream> in_;
  std::string name_;
  bool partial_;
  char separator_ = ',';
  std::uint64_t row_ = 0;
  std::vector<Column> columns_;
};

}  // namespace

Result<std::unique_ptr<Table>> open_csv(std::unique_ptr<std::istream> in, const std::string& name,
                                        bool partial) {
  auto table = std::make_unique<CsvTable>(std::move(in), name, partial);
  if (auto opened = table->open(); !opened) return tl::unexpected(opened.error());
  return table;
}

}  // namespace tunesmith::engine
