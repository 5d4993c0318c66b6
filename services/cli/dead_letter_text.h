// Dead letters as people and machines read them. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "bus/connection.h"
#include "cli/table.h"
#include "runtime/result.h"

namespace tunesmith::cli {

// NUMBER AGE EVENT UID CONSUMER REASON; ages as of `now`.
Table dead_letter_table(const std::vector<bus::DeadLetter>& letters,
                        std::chrono::system_clock::time_point now);

// An array of {"number", "time", "consumer", "class", "reason", "message", "event"}: event as of
// event_json(). Texts may hold bytes that are not UTF-8: they come from what nobody could read.
nlohmann::json dead_letters_json(const std::vector<bus::DeadLetter>& letters);

// One of them whole, for people: where from, why, what to do, the event as indented JSON.
std::string dead_letter_text(const bus::DeadLetter& letter);

// Numbers of dead letters, 1 and more. Permanent `UsageError`.
Result<std::vector<std::uint64_t>> parse_numbers(const std::vector<std::string>& texts);

}  // namespace tunesmith::cli
