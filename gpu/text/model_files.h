// What a Hugging Face model folder says about its tokenizer, over several optional files.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "failure.h"

namespace tunesmith::engine {

struct TokenizerFiles {
  std::string tokenizer_json;
  std::optional<std::string> chat_template;
  // Variables of the chat template: bos_token, eos_token, … as text; empty when unset.
  std::vector<std::pair<std::string, std::string>> special_tokens;
  std::optional<bool> add_bos_token;  // tokenizer_config.json, when it says
  std::vector<std::int64_t> eos_ids;  // generation_config.json and config.json
};

// Fails with TokenizerNotReadable, naming the file.
Result<TokenizerFiles> read_tokenizer_files(const std::filesystem::path& model_dir);

}  // namespace tunesmith::engine
