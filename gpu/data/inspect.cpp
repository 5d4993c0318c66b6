#include "data/inspect.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "data/layout.h"
#include "data/parquet_table.h"
#include "data/table.h"

namespace tunesmith::engine {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxColumnsShown = 100;
constexpr std::size_t kMaxProblems = 20;
// Of English text with today's vocabularies; only an estimate when the tokens were not counted.
constexpr double kBytesPerToken = 4.0;

struct Rows {
  std::uint64_t count = 0;
  std::uint64_t text_bytes = 0;
  std::map<std::string, std::uint64_t> problems;
};

Json describe(const Table& table, const Layout& layout, const std::string& name) {
  Json columns = Json::array();
  for (const Column& column : table.columns()) {
    if (columns.size() < kMaxColumnsShown) {
      columns.push_back({{"name", column.name}, {"type", column.type}});
    }
  }
  return {{"file", name},
          {"format", name_of(table.format())},
          {"layout", name_of(layout.kind)},
          {"columns", std::move(columns)},
          {"used_columns", layout.columns}};
}

std::uint64_t text_size(const Row& row) {
  if (const auto* chat = std::get_if<ChatRow>(&row)) {
    std::uint64_t size = 0;
    for (const Message& message : chat->messages) size += message.content.size();
    return size;
  }
  if (const auto* pair = std::get_if<CompletionRow>(&row)) {
    return pair->prompt.size() + pair->completion.size();
  }
  const auto* text = std::get_if<TextRow>(&row);
  return text == nullptr ? 0 : text->text.size();
}

std::string problem_of(const Row& row) {
  if (const auto* bad = std::get_if<BadRow>(&row)) return bad->why;
  const auto* chat = std::get_if<ChatRow>(&row);
  if (chat == nullptr) return "";
  const bool answered =
      std::any_of(chat->messages.begin(), chat->messages.end(),
                  [](const Message& message) { return message.role == "assistant"; });
  return answered ? "" : "no assistant turn";
}

Result<Rows> count_rows(Table& table, const Layout& layout) {
  Rows rows;
  const auto done = table.read(layout.columns, [&](std::span<Cell> cells) -> Result<void> {
    const Row row = make_row(layout, cells);
    ++rows.count;
    rows.text_bytes += text_size(row);
    const std::string problem = problem_of(row);
    if (problem.empty()) return {};
    const bool known = rows.problems.contains(problem) || rows.problems.size() < kMaxProblems;
    ++rows.problems[known ? problem : "other"];
    return {};
  });
  if (!done) return tl::unexpected(done.error());
  return rows;
}

Json problems_json(const std::map<std::string, std::uint64_t>& problems) {
  Json list = Json::array();
  for (const auto& [what, rows] : problems) list.push_back({{"what", what}, {"rows", rows}});
  return list;
}

std::uint64_t tokens_of(double text_bytes) {
  return static_cast<std::uint64_t>(std::llround(text_bytes / kBytesPerToken));
}

Json tokens_json(const Dataset& dataset) {
  const DatasetReport& report = dataset.report;
  return {{"tokens", report.tokens},
          {"target_tokens", report.target_tokens},
          {"longest", report.longest},
          {"cut_examples", report.cut_examples},
          {"train_examples", dataset.train.size()},
          {"eval_examples", dataset.eval.size()},
          {"dropped", problems_json(report.dropped)}};
}

}  // namespace

Result<Json> inspect_files(std::span<const std::filesystem::path> files, const DataOptions& options,
                           const Tokenizer* tokenizer) {
  Json list = Json::array();
  std::uint64_t all_rows = 0;
  for (const std::filesystem::path& path : files) {
    const std::string name = path.filename().string();
    auto table = open_table(path);
    if (!table) return tl::unexpected(table.error());
    const auto layout = find_layout((*table)->columns(), name);
    if (!layout) return tl::unexpected(layout.error());
    Json file = describe(**table, *layout, name);
    const auto rows = count_rows(**table, *layout);
    if (!rows) return tl::unexpected(rows.error());
    file["rows"] = rows->count;
    file["rows_are_exact"] = true;
    file["text_bytes"] = rows->text_bytes;
    file["estimated_tokens"] = tokens_of(static_cast<double>(rows->text_bytes));
    file["problems"] = problems_json(rows->problems);
    all_rows += rows->count;
    list.push_back(std::move(file));
  }
  Json result = {{"rows", all_rows}, {"layout", list.empty() ? Json() : list[0]["layout"]}};
  if (tokenizer != nullptr) {
    const auto dataset = load_dataset(files, options, *tokenizer);
    if (!dataset) return tl::unexpected(dataset.error());
    result.update(tokens_json(*dataset));
  }
  result["files"] = std::move(list);
  return result;
}

Result<Json> inspect_head(std::string head, const std::string& name, std::uint64_t size) {
  const auto head_size = static_cast<double>(head.size());
  const bool whole = head.size() >= size;
  auto table = open_table_head(std::move(head), name, size);
  if (!table) return tl::unexpected(table.error());
  const auto layout = find_layout((*table)->columns(), name);
  if (!layout) return tl::unexpected(layout.error());
  const auto rows = count_rows(**table, *layout);
  if (!rows) return tl::unexpected(rows.error());
  const double scale = whole ? 1.0 : static_cast<double>(size) / head_size;
  const auto scaled = [&](std::uint64_t n) { return static_cast<double>(n) * scale; };
  Json file = describe(**table, *layout, name);
  file["rows"] = std::llround(scaled(rows->count));
  file["rows_are_exact"] = whole;
  file["text_bytes"] = std::llround(scaled(rows->text_bytes));
  file["estimated_tokens"] = tokens_of(scaled(rows->text_bytes));
  file["problems"] = problems_json(rows->problems);
  return Json{{"rows", file["rows"]}, {"layout", file["layout"]}, {"files", Json::array({file})}};
}

Result<Json> inspect_footer(const std::string& footer, const std::string& name) {
  const auto table = parquet_footer_table(footer, name);
  if (!table) return tl::unexpected(table.error());
  const auto layout = find_layout((*table)->columns(), name);
  if (!layout) return tl::unexpected(layout.error());
  const std::uint64_t bytes = (*table)->size_of(layout->columns).value_or(0);
  Json file = describe(**table, *layout, name);
  file["rows"] = (*table)->row_count().value_or(0);
  file["rows_are_exact"] = true;
  file["text_bytes"] = bytes;
  file["estimated_tokens"] = tokens_of(static_cast<double>(bytes));
  file["problems"] = Json::array();
  return Json{{"rows", file["rows"]}, {"layout", file["layout"]}, {"files", Json::array({file})}};
}

Json failure_json(const Failure& failure) {
  const bool transient = failure.failure_class == FailureClass::kTransient;
  return {{"failure",
           {{"class", transient ? "Transient" : "Permanent"},
            {"reason", failure.reason},
            {"message", failure.message}}}};
}

}  // namespace tunesmith::engine
