#include "serve/commands.h"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <vector>

#include "data/dataset.h"
#include "formats/safetensors.h"
#include "model/parallel.h"
#include "serve/generate.h"
#include "text/tokenizer.h"

namespace tunesmith::engine {
namespace {

using Json = nlohmann::ordered_json;

// As a chat where the model has a template, else as the beginning of a text.
Conversation conversation_of(const std::string& prompt, const Tokenizer& tokenizer) {
  Conversation conversation;
  if (tokenizer.has_chat_template()) {
    conversation.prompt = {{"user", prompt}};
  } else {
    conversation.prompt_text = prompt;
  }
  return conversation;
}

Result<std::vector<Conversation>> conversations_of(const GenerateCommand& command,
                                                   const Tokenizer& tokenizer) {
  if (command.data.empty()) return std::vector{conversation_of(command.prompt, tokenizer)};
  const std::vector<std::filesystem::path> files{command.data};
  return load_conversations(files);
}

std::string line_of(std::size_t index, const Conversation& asked, const std::string& completion) {
  const Json line{
      {"index", index},
      {"prompt", asked.prompt.empty() ? asked.prompt_text : asked.prompt.back().content},
      {"completion", completion},
      {"expected", asked.expected}};
  return line.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<std::vector<Tokens>> read_token_lists(const std::filesystem::path& path,
                                             std::int64_t vocab_size) {
  std::ifstream in(path);
  const Json json = Json::parse(in, nullptr, false);
  const auto invalid = [&] {
    return permanent("TokensInvalid",
                     fmt::format("{} must be a JSON list of non-empty lists of token ids below {}",
                                 path.string(), vocab_size));
  };
  if (!json.is_array()) return invalid();
  std::vector<Tokens> lists;
  for (const Json& list : json) {
    if (!list.is_array() || list.empty()) return invalid();
    Tokens tokens;
    for (const Json& token : list) {
      if (!token.is_number_unsigned() ||
          token.get<std::uint64_t>() >= static_cast<std::uint64_t>(vocab_size)) {
        return invalid();
      }
      tokens.push_back(token.get<std::int32_t>());
    }
    lists.push_back(std::move(tokens));
  }
  return lists;
}

}  // namespace

Result<void> run_generate(const GenerateCommand& command) {
  set_threads(command.threads);
  auto tokenizer = Tokenizer::load(command.model.model_dir);
  if (!tokenizer) return tl::unexpected(tokenizer.error());
  auto asked = conversations_of(command, *tokenizer);
  if (!asked) return tl::unexpected(asked.error());
  std::vector<Tokens> prompts;
  for (const Conversation& conversation : *asked) {
    auto tokens = encode_prompt(conversation, *tokenizer);
    if (!tokens) return tl::unexpected(tokens.error());
    prompts.push_back(std::move(*tokens));
  }
  std::ofstream file;
  if (!command.output.empty()) {
    file.open(command.output);
    if (!file) {
      return permanent("OutputNotWritable",
                       fmt::format("cannot write {}", command.output.string()));
    }
  }
  std::ostream& out = command.output.empty() ? std::cout : file;
  auto decoder = load_for_inference(command.model);
  if (!decoder) return tl::unexpected(decoder.error());

  const GenerateOptions options{command.max_new_tokens, command.batch, tokenizer->stop_ids()};
  Result<void> decoded;
  auto generated = generate(*decoder, prompts, options, [&](std::size_t i, const Tokens& answer) {
    auto text = tokenizer->decode(answer, true);
    if (!text) {
      decoded = tl::unexpected(text.error());
      return;
    }
    out << line_of(i, (*asked)[i], *text) << "\n" << std::flush;
  });
  if (!generated) return generated;
  if (!out) {
    return permanent("OutputNotWritable", fmt::format("cannot write {}", command.output.string()));
  }
  return decoded;
}

Result<void> run_logits(const LogitsCommand& command) {
  set_threads(command.threads);
  auto decoder = load_for_inference(command.model);
  if (!decoder) return tl::unexpected(decoder.error());
  const std::int64_t vocab = decoder->config().vocab_size;
  auto lists = read_token_lists(command.tokens, vocab);
  if (!lists) return tl::unexpected(lists.error());
  std::vector<std::vector<float>> logits;
  std::vector<TensorView> tensors;
  logits.reserve(lists->size());
  for (std::size_t i = 0; i < lists->size(); ++i) {
    const Tokens& tokens = (*lists)[i];
    const PackedSequence sequence{tokens, std::vector<std::uint8_t>(tokens.size(), 0), {0}};
    const PackedSequence* const sequences[]{&sequence};
    Batch batch = make_batch(sequences);
    for (std::int32_t row = 0; row < batch.size(); ++row) batch.target_rows.push_back(row);
    batch.targets.assign(tokens.size(), 0);
    std::vector<float>& rows = logits.emplace_back();
    decoder->logits(batch, [&](std::int64_t /*row*/, const float* row) {
      rows.insert(rows.end(), row, row + vocab);
    });
    tensors.push_back({fmt::format("logits.{}", i),
                       DType::kF32,
                       {batch.size(), vocab},
                       std::as_bytes(std::span(rows))});
  }
  return write_safetensors(command.output, tensors);
}

}  // namespace tunesmith::engine
