#include "text/model_files.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

namespace tunesmith::engine {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxTokenizerSizeBytes = 256ULL << 20;
constexpr std::uintmax_t kMaxConfigSizeBytes = 16ULL << 20;
constexpr const char* kReason = "TokenizerNotReadable";

// nullopt when there is no such file.
Result<std::optional<std::string>> read_file(const fs::path& path, std::uintmax_t max_size) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return std::nullopt;
  const std::uintmax_t size = fs::file_size(path, error);
  if (error || size > max_size) {
    return permanent(kReason, fmt::format("{}: its size cannot be read or is above {} bytes",
                                          path.string(), max_size));
  }
  std::string content(size, '\0');
  std::ifstream in(path, std::ios::binary);
  if (!in.read(content.data(), static_cast<std::streamsize>(size))) {
    return permanent(kReason, fmt::format("{}: cannot be read", path.string()));
  }
  return content;
}

// An empty object when there is no such file.
Result<Json> read_json(const fs::path& path) {
  auto content = read_file(path, kMaxConfigSizeBytes);
  if (!content) return tl::unexpected(content.error());
  if (!content->has_value()) return Json::object();
  Json json = Json::parse(**content, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return permanent(kReason, fmt::format("{}: expected a JSON object", path.string()));
  }
  return json;
}

// A token is written as "…" or as {"content": "…"}.
std::optional<std::string> token_text(const Json& json, const std::string& key) {
  const auto it = json.find(key);
  if (it == json.end()) return std::nullopt;
  if (it->is_string()) return it->get<std::string>();
  if (it->is_object() && it->contains("content") && (*it)["content"].is_string()) {
    return (*it)["content"].get<std::string>();
  }
  return std::nullopt;
}

void add_ids(const Json& json, const std::string& key, std::vector<std::int64_t>& ids) {
  const auto it = json.find(key);
  if (it == json.end()) return;
  if (it->is_number_integer()) ids.push_back(it->get<std::int64_t>());
  if (!it->is_array()) return;
  for (const auto& id : *it) {
    if (id.is_number_integer()) ids.push_back(id.get<std::int64_t>());
  }
}

// "chat_template" is the template, or a list of {name, template} of which "default" counts.
std::optional<std::string> template_in(const Json& config) {
  const auto it = config.find("chat_template");
  if (it == config.end()) return std::nullopt;
  if (it->is_string()) return it->get<std::string>();
  if (!it->is_array()) return std::nullopt;
  for (const auto& entry : *it) {
    if (entry.is_object() && entry.value("name", Json()) == "default" &&
        entry.value("template", Json()).is_string()) {
      return entry["template"].get<std::string>();
    }
  }
  return std::nullopt;
}

Result<std::optional<std::string>> find_template(const fs::path& dir, const Json& config) {
  auto jinja = read_file(dir / "chat_template.jinja", kMaxConfigSizeBytes);
  if (!jinja || jinja->has_value()) return jinja;
  auto json = read_json(dir / "chat_template.json");
  if (!json) return tl::unexpected(json.error());
  if (auto found = template_in(*json)) return found;
  return template_in(config);
}

}  // namespace

Result<TokenizerFiles> read_tokenizer_files(const fs::path& dir) {
  TokenizerFiles files;
  auto tokenizer = read_file(dir / "tokenizer.json", kMaxTokenizerSizeBytes);
  if (!tokenizer) return tl::unexpected(tokenizer.error());
  if (!tokenizer->has_value()) {
    return permanent(kReason, fmt::format("{}: no such file; a model needs a tokenizer.json "
                                          "(a slow tokenizer can be converted with transformers)",
                                          (dir / "tokenizer.json").string()));
  }
  files.tokenizer_json = *std::move(*tokenizer);

  Json documents[4];
  const char* names[4] = {"tokenizer_config.json", "special_tokens_map.json",
                          "generation_config.json", "config.json"};
  for (int i = 0; i < 4; ++i) {
    auto json = read_json(dir / names[i]);
    if (!json) return tl::unexpected(json.error());
    documents[i] = *std::move(json);
  }
  const auto& [config, map, generation, model] = documents;

  auto chat_template = find_template(dir, config);
  if (!chat_template) return tl::unexpected(chat_template.error());
  files.chat_template = *std::move(chat_template);
  for (const char* name : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                           "cls_token", "mask_token"}) {
    auto text = token_text(config, name);
    if (!text && !config.contains(name)) text = token_text(map, name);
    if (text) files.special_tokens.emplace_back(name, *std::move(text));
  }
  if (const auto it = config.find("add_bos_token"); it != config.end() && it->is_boolean()) {
    files.add_bos_token = it->get<bool>();
  }
  add_ids(generation, "eos_token_id", files.eos_ids);
  add_ids(model, "eos_token_id", files.eos_ids);
  return files;
}

}  // namespace tunesmith::engine
