#include "cli/dead_letter_text.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "cli/event_text.h"
#include "cli/format.h"
#include "cli/reasons.h"
#include "cli/section.h"
#include "runtime/failure_class.h"
#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

std::string age_of(const bus::DeadLetter& letter, std::chrono::system_clock::time_point now) {
  const auto then = parse_rfc3339(letter.time);
  if (!then) return "<unknown>";
  return human_duration(std::chrono::floor<std::chrono::seconds>(now - *then));
}

}  // namespace

Table dead_letter_table(const std::vector<bus::DeadLetter>& letters,
                        std::chrono::system_clock::time_point now) {
  Table table{{"NUMBER", "AGE", "EVENT", "UID", "CONSUMER", "REASON"}, {}};
  for (const bus::DeadLetter& letter : letters) {
    table.rows.push_back({std::to_string(letter.sequence), age_of(letter, now), letter.event.token,
                          letter.event.uid, letter.consumer, letter.failure.reason});
  }
  return table;
}

json dead_letters_json(const std::vector<bus::DeadLetter>& letters) {
  json list = json::array();
  for (const bus::DeadLetter& letter : letters) {
    list.push_back({{"number", letter.sequence},
                    {"time", letter.time},
                    {"consumer", letter.consumer},
                    {"class", name_of(letter.failure.failure_class)},
                    {"reason", letter.failure.reason},
                    {"message", letter.failure.message},
                    {"event", event_json(letter.event)}});
  }
  return list;
}

std::string dead_letter_text(const bus::DeadLetter& letter) {
  const json event = event_json(letter.event);
  Section section;
  section.add("Number", std::to_string(letter.sequence));
  section.add("Time", letter.time);
  section.add("Consumer", letter.consumer);
  section.add("Class", name_of(letter.failure.failure_class));
  section.add("Reason", letter.failure.reason + ": " + letter.failure.message);
  const auto known = reason_text(letter.failure.reason);
  section.add("What to do", known ? known->what_to_do : "");
  section.add("Event", letter.event.token + " of " + letter.event.uid);
  section.add("Event's id", letter.event.id);
  section.add("Event's time", letter.event.time);
  std::string text = valid_utf8(section.text());
  if (event.at("data").is_null()) {
    return text + "Content: " + std::to_string(letter.event.payload.size()) +
           " bytes that cannot be decoded\n";
  }
  return text + "Content:\n" +
         event.at("data").dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<std::vector<std::uint64_t>> parse_numbers(const std::vector<std::string>& texts) {
  std::vector<std::uint64_t> numbers;
  for (const std::string& text : texts) {
    std::uint64_t number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size() || number == 0) {
      return permanent("UsageError",
                       "expected the NUMBER of a dead letter, as `tunesmith dlq "
                       "list` shows it, found '" +
                           text + "'");
    }
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace tunesmith::cli
