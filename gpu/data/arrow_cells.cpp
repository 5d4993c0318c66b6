#include "data/arrow_cells.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "text/utf8.h"

namespace tunesmith::engine {
namespace {

bool is_text(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return true;
    case arrow::Type::DICTIONARY:
      return is_text(*static_cast<const arrow::DictionaryType&>(type).value_type());
    default:
      return false;
  }
}

bool is_message(const arrow::DataType& type) {
  if (type.id() != arrow::Type::STRUCT) return false;
  const auto& fields = static_cast<const arrow::StructType&>(type);
  const auto role = fields.GetFieldByName("role");
  const auto content = fields.GetFieldByName("content");
  return role && content && is_text(*role->type()) && is_text(*content->type());
}

// The value, or nullopt when it is null. `array` has a type for which is_text holds.
std::optional<std::string_view> text_at(const arrow::Array& array, std::int64_t row) {
  if (array.IsNull(row)) return std::nullopt;
  switch (array.type_id()) {
    case arrow::Type::LARGE_STRING:
      return static_cast<const arrow::LargeStringArray&>(array).GetView(row);
    case arrow::Type::STRING_VIEW:
      return static_cast<const arrow::StringViewArray&>(array).GetView(row);
    case arrow::Type::DICTIONARY: {
      const auto& encoded = static_cast<const arrow::DictionaryArray&>(array);
      return text_at(*encoded.dictionary(), encoded.GetValueIndex(row));
    }
    default:
      return static_cast<const arrow::StringArray&>(array).GetView(row);
  }
}

Cell text_cell(std::optional<std::string_view> text) {
  if (!text) return std::monostate();
  if (text->size() > kMaxCellSizeBytes) return BadCell{"a text that is too long"};
  if (!is_utf8(*text)) return BadCell{"a text that is not UTF-8"};
  return std::string(*text);
}

Cell messages_at(const arrow::Array& values, std::int64_t begin, std::int64_t end) {
  const auto& structs = static_cast<const arrow::StructArray&>(values);
  const auto roles = structs.GetFieldByName("role");
  const auto contents = structs.GetFieldByName("content");
  std::vector<Message> messages;
  for (std::int64_t i = begin; i < end; ++i) {
    if (structs.IsNull(i)) continue;
    Cell role = text_cell(text_at(*roles, i));
    Cell content = text_cell(text_at(*contents, i));
    if (std::holds_alternative<BadCell>(content)) return content;
    if (!std::holds_alternative<std::string>(role)) return BadCell{"a message without a role"};
    if (!std::holds_alternative<std::string>(content)) {
      return BadCell{"a message without text content"};
    }
    messages.push_back(
        {std::get<std::string>(std::move(role)), std::get<std::string>(std::move(content))});
  }
  return messages;
}

template <typename List>
Cell list_cell(const arrow::Array& array, std::int64_t row) {
  const auto& list = static_cast<const List&>(array);
  const std::int64_t begin = list.value_offset(row);
  return messages_at(*list.values(), begin, begin + list.value_length(row));
}

}  // namespace

ColumnKind kind_of(const arrow::DataType& type) {
  if (is_text(type)) return ColumnKind::kText;
  const bool list = type.id() == arrow::Type::LIST || type.id() == arrow::Type::LARGE_LIST ||
                    type.id() == arrow::Type::FIXED_SIZE_LIST ||
                    type.id() == arrow::Type::LIST_VIEW ||
                    type.id() == arrow::Type::LARGE_LIST_VIEW;
  return list && is_message(*type.field(0)->type()) ? ColumnKind::kMessages : ColumnKind::kOther;
}

Cell cell_at(const arrow::Array& array, std::int64_t row) {
  if (array.IsNull(row)) return std::monostate();
  if (is_text(*array.type())) return text_cell(text_at(array, row));
  if (kind_of(*array.type()) != ColumnKind::kMessages) {
    return BadCell{"a " + array.type()->name() + ", not a text"};
  }
  switch (array.type_id()) {
    case arrow::Type::LARGE_LIST:
      return list_cell<arrow::LargeListArray>(array, row);
    case arrow::Type::FIXED_SIZE_LIST:
      return list_cell<arrow::FixedSizeListArray>(array, row);
    case arrow::Type::LIST_VIEW:
      return list_cell<arrow::ListViewArray>(array, row);
    case arrow::Type::LARGE_LIST_VIEW:
      return list_cell<arrow::LargeListViewArray>(array, row);
    default:
      return list_cell<arrow::ListArray>(array, row);
  }
}

}  // namespace tunesmith::engine
