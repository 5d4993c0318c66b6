// Which columns hold what is learnt from, and rows in that form.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "data/table.h"
#include "failure.h"
#include "text/message.h"

namespace tunesmith::engine {

enum class LayoutKind {
  kMessages,          // `messages`: a conversation
  kPromptCompletion,  // `prompt` and `completion`: texts, or conversations
  kText,              // `text`
  kInstruction,       // `instruction` (or `question`) and an answer: one turn each
};

// "messages", "prompt-completion", "text", "instruction".
std::string_view name_of(LayoutKind kind);

struct Layout {
  LayoutKind kind = LayoutKind::kMessages;
  // As they are called in the file. kInstruction: instruction, answer and, when there is one,
  // the input that belongs to the instruction.
  std::vector<std::string> columns;
};

// The first of the layouts above whose columns are there; names are compared without letter case.
// Fails with NoUsableColumn, which names the columns that were found and what is expected.
Result<Layout> find_layout(std::span<const Column> columns, const std::string& file);

struct ChatRow {
  std::vector<Message> messages;
  std::size_t prompt_size = 0;  // messages that are given, not learnt, whatever their role
};
struct CompletionRow {
  std::string prompt;
  std::string completion;
};
struct TextRow {
  std::string text;
};
// A row that nothing can be learnt from.
struct BadRow {
  std::string why;
};
using Row = std::variant<BadRow, ChatRow, CompletionRow, TextRow>;

// The row of these cells, which stand in the order of layout.columns; moves from them.
Row make_row(const Layout& layout, std::span<Cell> cells);

}  // namespace tunesmith::engine
