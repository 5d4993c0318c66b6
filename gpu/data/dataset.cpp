#include "data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "data/examples.h"
#include "data/files.h"
#include "data/rng.h"
#include "text/utf8.h"

namespace tunesmith::engine {
namespace {

// More would not fit the memory of the machines this runs on (5 bytes each).
constexpr std::size_t kMaxDropReasons = 20;
constexpr std::size_t kMaxReasonSizeBytes = 400;

Result<void> check(const DataOptions& options) {
  if (options.train_test_split > 0 && options.train_test_split <= 1 &&
      options.max_seq_length >= 2) {
    return {};
  }
  return permanent("TrainingConfigInvalid",
                   fmt::format("train_test_split must be in (0, 1] and max_seq_length at least 2, "
                               "found {} and {}",
                               options.train_test_split, options.max_seq_length));
}

void count_dropped(const std::string& full, DatasetReport& report) {
  ++report.dropped_rows;
  const std::string why(utf8_prefix(full, kMaxReasonSizeBytes));
  const bool known = report.dropped.contains(why) || report.dropped.size() < kMaxDropReasons;
  ++report.dropped[known ? why : "other"];
}

void count_example(const BuiltExample& built, DatasetReport& report) {
  const auto& [tokens, is_target] = built.example;
  report.tokens += tokens.size();
  report.target_tokens +=
      static_cast<std::uint64_t>(std::count(is_target.begin(), is_target.end(), 1));
  report.longest = std::max(report.longest, built.full_size);
  if (built.full_size > tokens.size()) ++report.cut_examples;
}

tl::unexpected<Failure> nothing_to_learn(const DatasetReport& report) {
  if (report.rows == 0) return permanent("DataEmpty", "the data files have no rows");
  const auto common =
      std::max_element(report.dropped.begin(), report.dropped.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return permanent("NoTrainableTokens",
                   fmt::format("none of the {} rows has anything to learn from; most often ({} "
                               "rows): {}",
                               report.rows, common->second, common->first));
}

// Moves the examples of the evaluation split out of `all`.
void split(std::vector<Example> all, const DataOptions& options, Dataset& dataset) {
  const std::size_t n = all.size();
  const auto wanted = static_cast<std::size_t>(static_cast<double>(n) * options.train_test_split);
  const std::size_t n_train = std::clamp<std::size_t>(wanted, 1, n);
  std::vector<std::uint8_t> is_eval(n, 0);
  if (n_train < n) {
    Rng rng(options.seed, RngStream::kSplit);
    const auto order = shuffled_indices(n, rng);
    for (std::size_t k = n_train; k < n; ++k) is_eval[order[k]] = 1;
  }
  for (std::size_t i = 0; i < n; ++i) {
    (is_eval[i] != 0 ? dataset.eval : dataset.train).push_back(std::move(all[i]));
  }
}

// What is asked and expected of a row; nullopt when the row is bad.
std::optional<Conversation> conversation_of(Row&& row) {
  if (auto* chat = std::get_if<ChatRow>(&row)) {
    Conversation conversation{
        .prompt = std::move(chat->messages), .prompt_text = {}, .expected = {}};
    while (!conversation.prompt.empty() && conversation.prompt.back().role == "assistant") {
      conversation.expected = std::move(conversation.prompt.back().content);
      conversation.prompt.pop_back();
    }
    if (conversation.prompt.empty()) return std::nullopt;
    return conversation;
  }
  if (auto* pair = std::get_if<CompletionRow>(&row)) {
    return Conversation{.prompt = {},
                        .prompt_text = std::move(pair->prompt),
                        .expected = std::move(pair->completion)};
  }
  if (auto* text = std::get_if<TextRow>(&row)) {
    return Conversation{.prompt = {}, .prompt_text = std::move(text->text), .expected = {}};
  }
  return std::nullopt;
}

}  // namespace

Result<Dataset> load_dataset(std::span<const std::filesystem::path> files,
                             const DataOptions& options, const Tokenizer& tokenizer) {
  if (auto valid = check(options); !valid) return tl::unexpected(valid.error());
  Dataset dataset;
  DatasetReport& report = dataset.report;
  std::vector<Example> all;
  const auto layout = read_files(files, [&](Row&& row) -> Result<void> {
    ++report.rows;
    auto built = build_example(row, options, tokenizer);
    if (!built) return tl::unexpected(built.error());
    if (const auto* dropped = std::get_if<Dropped>(&*built)) {
      count_dropped(dropped->why, report);
      return {};
    }
    auto& example = std::get<BuiltExample>(*built);
    count_example(example, report);
    if (report.tokens > options.max_tokens) {
      return permanent("DataTooLarge", fmt::format("the data has more than {} tokens: use less of "
                                                   "it, or split the job",
                                                   options.max_tokens));
    }
    all.push_back(std::move(example.example));
    return {};
  });
  if (!layout) return tl::unexpected(layout.error());
  if (all.empty()) return nothing_to_learn(report);
  report.layout = name_of(*layout);
  split(std::move(all), options, dataset);
  return dataset;
}

Result<std::vector<Conversation>> load_conversations(std::span<const std::filesystem::path> files) {
  std::vector<Conversation> conversations;
  const auto layout = read_files(files, [&](Row&& row) -> Result<void> {
    if (auto conversation = conversation_of(std::move(row))) {
      conversations.push_back(*std::move(conversation));
    }
    return {};
  });
  if (!layout) return tl::unexpected(layout.error());
  if (conversations.empty()) return permanent("DataEmpty", "the data files have no questions");
  return conversations;
}

Result<std::vector<std::int32_t>> encode_prompt(const Conversation& conversation,
                                                const Tokenizer& tokenizer) {
  if (conversation.prompt.empty()) return tokenizer.encode(conversation.prompt_text, true);
  const auto text = tokenizer.render(conversation.prompt, true);
  if (!text) return tl::unexpected(text.error());
  return tokenizer.encode(*text, false);
}

}  // namespace tunesmith::engine
