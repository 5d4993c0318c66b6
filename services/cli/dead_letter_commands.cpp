// `tunesmith dlq`.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/dead_letter_text.h"

namespace tunesmith::cli {
namespace {

// The newest ones: more than anybody reads.
constexpr std::size_t kMostShown = 1'000;

}  // namespace

Result<int> list_dead_letters(const CommandContext& context, const DeadLetterOptions& options) {
  auto connection = open_bus(context);
  if (!connection) return tl::unexpected(connection.error());
  const auto letters = (*connection)->dead_letters(kMostShown);
  if (!letters) return tl::unexpected(letters.error());
  if (options.output == "json") {
    context.out << dead_letters_json(*letters).dump(4, ' ', false,
                                                    nlohmann::json::error_handler_t::replace)
                << "\n";
  } else if (letters->empty()) {
    context.err << "No dead letters\n";
  } else {
    context.out << to_text(dead_letter_table(*letters, std::chrono::system_clock::now()));
  }
  return 0;
}

Result<int> show_dead_letters(const CommandContext& context, const DeadLetterOptions& options) {
  const auto numbers = parse_numbers(options.numbers);
  if (!numbers) return tl::unexpected(numbers.error());
  auto connection = open_bus(context);
  if (!connection) return tl::unexpected(connection.error());
  const auto letters = (*connection)->dead_letters(kMostShown);
  if (!letters) return tl::unexpected(letters.error());
  int missing = 0;
  for (const std::uint64_t number : *numbers) {
    const auto found =
        std::find_if(letters->begin(), letters->end(),
                     [&](const bus::DeadLetter& letter) { return letter.sequence == number; });
    if (found == letters->end()) {
      context.err << "error: no dead letter " << number << "; see `tunesmith dlq list`\n";
      ++missing;
    } else {
      context.out << dead_letter_text(*found);
    }
  }
  return missing == 0 ? 0 : 1;
}

Result<int> drop_dead_letters(const CommandContext& context, const DeadLetterOptions& options) {
  const auto numbers = parse_numbers(options.numbers);
  if (!numbers) return tl::unexpected(numbers.error());
  auto connection = open_bus_as_admin(context);
  if (!connection) return tl::unexpected(connection.error());
  int missing = 0;
  for (const std::uint64_t number : *numbers) {
    const auto dropped = (*connection)->drop_dead_letter(number);
    if (dropped) {
      context.out << "dead letter " << number << " dropped" << std::endl;
    } else if (dropped.error().reason == "DeadLetterMissing") {
      context.err << "error: " << dropped.error().message << "\n";
      ++missing;
    } else {
      return tl::unexpected(dropped.error());
    }
  }
  return missing == 0 ? 0 : 1;
}

Result<int> replay_dead_letters(const CommandContext& context, const DeadLetterOptions& options) {
  const auto numbers = parse_numbers(options.numbers);
  if (!numbers) return tl::unexpected(numbers.error());
  auto connection = open_bus_as_admin(context);
  if (!connection) return tl::unexpected(connection.error());
  // One time for all: several dead letters of one event are one replay of it.
  const std::int64_t now = unix_now();
  int missing = 0;
  for (const std::uint64_t number : *numbers) {
    const auto replayed = (*connection)->replay(number, now);
    if (replayed) {
      context.out << "dead letter " << number << " replayed" << std::endl;
    } else if (replayed.error().reason == "DeadLetterMissing") {
      context.err << "error: " << replayed.error().message << "\n";
      ++missing;
    } else {
      return tl::unexpected(replayed.error());
    }
  }
  return missing == 0 ? 0 : 1;
}

}  // namespace tunesmith::cli
