#include "data/layout.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

#include "data/text_tables.h"

namespace tunesmith::engine {
namespace {

constexpr std::string_view kExpected =
    "`messages` (a list of {role, content}), or `prompt` and `completion`, or `text`, or "
    "`instruction` and `response`";
constexpr std::size_t kMaxNamesInMessage = 20;

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

const Column* find(std::span<const Column> columns, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    for (const Column& column : columns) {
      if (column.kind != ColumnKind::kOther && same_name(column.name, name)) return &column;
    }
  }
  return nullptr;
}

const Column* find_text(std::span<const Column> columns,
                        std::initializer_list<std::string_view> names) {
  const Column* column = find(columns, names);
  return column != nullptr && column->kind == ColumnKind::kText ? column : nullptr;
}

std::string describe(std::span<const Column> columns) {
  std::vector<std::string> names;
  for (const Column& column : columns.first(std::min(columns.size(), kMaxNamesInMessage))) {
    names.push_back(fmt::format("`{:.80}` ({:.80})", column.name, column.type));
  }
  if (columns.size() > kMaxNamesInMessage) names.emplace_back("…");
  return fmt::format("{}", fmt::join(names, ", "));
}

// A null or an empty text or list is nothing to learn from.
std::string missing(const std::string& column) { return fmt::format("`{}` is empty", column); }

Row chat_row(std::vector<Message> messages, std::size_t prompt_size) {
  if (messages.empty()) return BadRow{missing("messages")};
  return ChatRow{.messages = std::move(messages), .prompt_size = prompt_size};
}

// JSON text becomes messages where a conversation is expected.
Cell as_messages(Cell cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return messages_from_json(*text);
  return cell;
}

Row messages_row(std::span<Cell> cells) {
  Cell cell = as_messages(std::move(cells[0]));
  if (auto* bad = std::get_if<BadCell>(&cell)) return BadRow{std::move(bad->why)};
  if (!std::holds_alternative<std::vector<Message>>(cell)) return BadRow{missing("messages")};
  return chat_row(std::get<std::vector<Message>>(std::move(cell)), 0);
}

Row pair_row(std::span<Cell> cells) {
  auto* prompt = std::get_if<std::vector<Message>>(cells.data());
  auto* completion = std::get_if<std::vector<Message>>(&cells[1]);
  if (prompt != nullptr && completion != nullptr) {
    const std::size_t prompt_size = prompt->size();
    std::vector<Message> messages = std::move(*prompt);
    messages.insert(messages.end(), std::move_iterator(completion->begin()),
                    std::move_iterator(completion->end()));
    return chat_row(std::move(messages), prompt_size);
  }
  auto* prompt_text = std::get_if<std::string>(cells.data());
  auto* completion_text = std::get_if<std::string>(&cells[1]);
  if (prompt_text == nullptr || completion_text == nullptr) {
    return BadRow{"`prompt` and `completion` are not both texts or both conversations"};
  }
  if (completion_text->empty()) return BadRow{missing("completion")};
  return CompletionRow{.prompt = std::move(*prompt_text),
                       .completion = std::move(*completion_text)};
}

Row instruction_row(std::span<Cell> cells, const Layout& layout) {
  auto* instruction = std::get_if<std::string>(cells.data());
  auto* answer = std::get_if<std::string>(&cells[1]);
  if (instruction == nullptr || instruction->empty()) return BadRow{missing(layout.columns[0])};
  if (answer == nullptr || answer->empty()) return BadRow{missing(layout.columns[1])};
  std::string question = std::move(*instruction);
  if (cells.size() > 2) {
    const auto* input = std::get_if<std::string>(&cells[2]);
    if (input != nullptr && !input->empty()) question += "\n\n" + *input;
  }
  return ChatRow{.messages = {{"user", std::move(question)}, {"assistant", std::move(*answer)}},
                 .prompt_size = 0};
}

}  // namespace

std::string_view name_of(LayoutKind kind) {
  switch (kind) {
    case LayoutKind::kMessages:
      return "messages";
    case LayoutKind::kPromptCompletion:
      return "prompt-completion";
    case LayoutKind::kText:
      return "text";
    case LayoutKind::kInstruction:
      return "instruction";
  }
  return "unknown";
}

Result<Layout> find_layout(std::span<const Column> columns, const std::string& file) {
  if (const Column* messages = find(columns, {"messages"})) {
    return Layout{.kind = LayoutKind::kMessages, .columns = {messages->name}};
  }
  const Column* prompt = find(columns, {"prompt"});
  const Column* completion = find(columns, {"completion"});
  if (prompt != nullptr && completion != nullptr) {
    return Layout{.kind = LayoutKind::kPromptCompletion,
                  .columns = {prompt->name, completion->name}};
  }
  if (const Column* text = find_text(columns, {"text"})) {
    return Layout{.kind = LayoutKind::kText, .columns = {text->name}};
  }
  const Column* instruction = find_text(columns, {"instruction", "question"});
  const Column* answer = find_text(columns, {"response", "output", "answer"});
  if (instruction != nullptr && answer != nullptr) {
    Layout layout{.kind = LayoutKind::kInstruction, .columns = {instruction->name, answer->name}};
    const Column* input = find_text(columns, {"context", "input"});
    if (input != nullptr) layout.columns.push_back(input->name);
    return layout;
  }
  return permanent("NoUsableColumn",
                   fmt::format("{}: no column to learn from: found {}; expected {}", file,
                               describe(columns), kExpected));
}

Row make_row(const Layout& layout, std::span<Cell> cells) {
  for (Cell& cell : cells) {
    if (auto* bad = std::get_if<BadCell>(&cell)) return BadRow{std::move(bad->why)};
  }
  switch (layout.kind) {
    case LayoutKind::kMessages:
      return messages_row(cells);
    case LayoutKind::kPromptCompletion:
      return pair_row(cells);
    case LayoutKind::kInstruction:
      return instruction_row(cells, layout);
    case LayoutKind::kText:
      break;
  }
  auto* text = std::get_if<std::string>(cells.data());
  if (text == nullptr || text->empty()) return BadRow{missing("text")};
  return TextRow{.text = std::move(*text)};
}

}  // namespace tunesmith::engine
