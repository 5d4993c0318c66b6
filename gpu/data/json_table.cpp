// json and jsonl.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>
#include <utility>

#include "data/json_splitter.h"
#include "data/text_tables.h"
#include "text/utf8.h"

namespace tunesmith::engine {
namespace {

using Json = nlohmann::ordered_json;

// The columns are the union over so many first records.
constexpr std::size_t kRecordsForColumns = 100;
constexpr std::size_t kMaxColumns = 1000;
constexpr int kMaxDepth = 64;

// nullopt: not JSON, or deeper than any data.
std::optional<Json> parse(const std::string& text) {
  bool too_deep = false;
  const auto check = [&too_deep](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kMaxDepth;
    return !too_deep;
  };
  Json json = Json::parse(text, check, /*allow_exceptions=*/false);
  if (json.is_discarded() || too_deep) return std::nullopt;
  return json;
}

// Content is a text, or a list of parts of which those of type "text" count.
std::optional<std::string> content_of(const Json& content) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) return std::nullopt;
  std::string text;
  for (const Json& part : content) {
    if (!part.is_object() || part.value("type", Json()) != "text" || !part.contains("text") ||
        !part["text"].is_string()) {
      return std::nullopt;
    }
    text += part["text"].get<std::string>();
  }
  return text;
}

Cell messages_cell(const Json& list) {
  std::vector<Message> messages;
  for (const Json& entry : list) {
    if (!entry.is_object() || !entry.contains("role") || !entry["role"].is_string()) {
      return BadCell{"a message without a role"};
    }
    auto content =
        entry.contains("content") ? content_of(entry["content"]) : std::optional<std::string>();
    if (!content) return BadCell{"a message without text content"};
    messages.push_back({entry["role"].get<std::string>(), *std::move(content)});
  }
  return messages;
}

Cell cell_of(const Json& record, const std::string& column) {
  const auto it = record.find(column);
  if (it == record.end() || it->is_null()) return std::monostate();
  if (it->is_string()) return it->get<std::string>();
  if (it->is_array()) return messages_cell(*it);
  return BadCell{fmt::format("{} is a {}, not a text", column, it->type_name())};
}

Column column_of(const std::string& name, const Json& value) {
  Column column{.name = name, .kind = ColumnKind::kOther, .type = value.type_name()};
  if (value.is_string()) column.kind = ColumnKind::kText;
  const bool objects = value.is_array() && !value.empty() && value[0].is_object();
  if (objects && value[0].contains("role")) column.kind = ColumnKind::kMessages;
  return column;
}

class JsonTable final : public Table {
 public:
  JsonTable(std::unique_ptr<std::istream> in, std::string name, bool array, bool partial)
      : in_(std::move(in)),
        name_(std::move(name)),
        array_(array),
        partial_(partial),
        splitter_(*in_, name_, array, partial) {}

  // Reads the first records and finds the columns.
  Result<void> open() {
    while (first_.size() < kRecordsForColumns) {
      auto record = next();
      if (!record) return tl::unexpected(record.error());
      if (!record->has_value()) break;
      add_columns(**record);
      first_.push_back(*std::move(*record));
    }
    if (!first_.empty()) return {};
    if (partial_) return transient("HeadTooShort", fmt::format("{}: no complete row in it", name_));
    return permanent("DataEmpty", fmt::format("{}: has no rows", name_));
  }

  FileFormat format() const override { return array_ ? FileFormat::kJson : FileFormat::kJsonl; }
  const std::vector<Column>& columns() const override { return columns_; }

  Result<void> read(std::span<const std::string> columns, const CellSink& sink) override {
    std::vector<Cell> cells(columns.size());
    while (true) {
      auto record = take();
      if (!record) return tl::unexpected(record.error());
      if (!record->has_value()) return {};
      for (std::size_t i = 0; i < columns.size(); ++i) cells[i] = cell_of(**record, columns[i]);
      if (auto done = sink(cells); !done) return done;
    }
  }

 private:
  Result<std::optional<Json>> take() {
    if (first_.empty()) return next();
    Json record = std::move(first_.front());
    first_.pop_front();
    return record;
  }

  Result<std::optional<Json>> next() {
    auto raw = splitter_.next();
    if (!raw) return tl::unexpected(raw.error());
    if (!raw->has_value()) return std::nullopt;
    const auto& [text, number] = **raw;
    const char* what = array_ ? "element" : "line";
    if (!is_utf8(text)) {
      return permanent("DataNotReadable",
                       fmt::format("{}: {} {} is not UTF-8", name_, what, number));
    }
    auto json = parse(text);
    if (!json || !json->is_object()) {
      return permanent("DataNotReadable",
                       fmt::format("{}: {} {} is not one complete JSON object: damaged or "
                                   "truncated? It begins: {:.60}",
                                   name_, what, number, utf8_prefix(text, 60)));
    }
    return *std::move(json);
  }

  void add_columns(const Json& record) {
    for (const auto& [key, value] : record.items()) {
      const auto known = std::find_if(columns_.begin(), columns_.end(),
                                      [&](const Column& column) { return column.name == key; });
      if (known == columns_.end() && columns_.size() < kMaxColumns) {
        columns_.push_back(column_of(key, value));
      } else if (known != columns_.end() && known->kind == ColumnKind::kOther) {
        *known = column_of(key, value);  // the first one was null or an empty list
      }
    }
  }

  std::unique_ptr<std::istream> in_;
  std::string name_;
  bool array_;
  bool partial_;
  JsonSplitter splitter_;
  std::deque<Json> first_;
  std::vector<Column> columns_;
};

}  // namespace

Result<std::unique_ptr<Table>> open_json(std::unique_ptr<std::istream> in, const std::string& name,
                                         bool array, bool partial) {
  auto table = std::make_unique<JsonTable>(std::move(in), name, array, partial);
  if (auto opened = table->open(); !opened) return tl::unexpected(opened.error());
  return table;
}

Cell messages_from_json(const std::string& text) {
  const auto json = parse(text);
  if (!json || !json->is_array()) return BadCell{"messages that are not a JSON array"};
  return messages_cell(*json);
}

}  // namespace tunesmith::engine
