#include "text/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "text/chat_spans.h"
#include "text/model_files.h"
#include "text/rust_handles.h"
#include "text/utf8.h"

namespace tunesmith::engine {
namespace {

using Json = nlohmann::ordered_json;

tl::unexpected<Failure> not_utf8() {
  return permanent("TextNotUtf8", "a text to be tokenised is not valid UTF-8");
}

}  // namespace

struct Tokenizer::Impl {
  rust::TokenizerHandle tokenizer;
  rust::TemplateHandle chat_template;  // may be null
  Json template_variables = Json::object();
  std::optional<std::int32_t> bos, eos, pad;
  std::optional<bool> add_bos;
  std::string bos_text;
  std::vector<std::int32_t> stop_ids;
  std::vector<std::string> stop_texts;
  std::string turn_lead;  // what stands between the generation prompt and an answer (Mistral: " ")
  std::size_t vocab_size = 0;

  std::optional<std::int32_t> id_of(std::string_view token) const {
    const std::int64_t id = tsm_token_to_id(tokenizer.get(), token.data(), token.size());
    if (id < 0) return std::nullopt;
    return static_cast<std::int32_t>(id);
  }

  // Text of one token, empty when it has none.
  std::string text_of(std::int32_t id, bool skip_special) const {
    return rust::decode(*tokenizer, std::span(&id, 1), skip_special).value_or("");
  }

  void set_special_tokens(const TokenizerFiles& files);
  void add_stop_id(std::optional<std::int64_t> id);
  void probe_template();
  void find_turn_end(std::string_view behind_answer);
  std::optional<RenderedChat> chat_by_marks(std::span<const Message> messages,
                                            bool generation_prompt) const;
  Result<std::string> variables(std::span<const Message> messages, bool generation_prompt) const;
  Result<std::string> render(std::span<const Message> messages, bool generation_prompt,
                             bool mark) const;
  void fix_bos(std::string_view text, Encoding& encoding) const;
};

void Tokenizer::Impl::set_special_tokens(const TokenizerFiles& files) {
  for (const auto& [name, text] : files.special_tokens) {
    template_variables[name] = text;
    if (name == "bos_token") {
      bos = id_of(text);
      bos_text = text;
    }
    if (name == "eos_token") eos = id_of(text);
    if (name == "pad_token") pad = id_of(text);
  }
  if (!eos && !files.eos_ids.empty()) {
    eos = static_cast<std::int32_t>(files.eos_ids.front());
  }
  add_bos = files.add_bos_token;
  add_stop_id(eos);
  for (const std::int64_t id : files.eos_ids) add_stop_id(id);
}

void Tokenizer::Impl::add_stop_id(std::optional<std::int64_t> id) {
  if (!id || *id < 0 || *id >= static_cast<std::int64_t>(vocab_size)) return;
  const auto token = static_cast<std::int32_t>(*id);
  const auto place = std::lower_bound(stop_ids.begin(), stop_ids.end(), token);
  if (place != stop_ids.end() && *place == token) return;
  stop_ids.insert(place, token);
  stop_texts.push_back(text_of(token, /*skip_special=*/false));
}

// Learns from a small conversation what the template puts around an answer.
void Tokenizer::Impl::probe_template() {
  const std::string answer = "tunesmith-answer";
  const Message probe[] = {{.role = "user", .content = "question"},
                           {.role = "assistant", .content = answer}};
  const auto text = render(probe, false, false);
  const auto prompt = render(std::span(probe).first(1), true, false);
  if (!text) return;
  const std::string_view whole = *text;
  const std::size_t at = whole.rfind(answer);
  if (at == std::string_view::npos) return;
  find_turn_end(whole.substr(at + answer.size()));
  if (prompt && whole.starts_with(*prompt) && prompt->size() <= at) {
    turn_lead = whole.substr(prompt->size(), at - prompt->size());
  }
}

// A model folder without generation_config.json does not say which token ends a turn when that is
// not EOS (phi-3's <|end|>). The template does: the special token right behind an answer.
void Tokenizer::Impl::find_turn_end(std::string_view behind_answer) {
  const auto rest = rust::encode(*tokenizer, behind_answer, false, false);
  if (!rest || rest->tokens.empty()) return;
  const std::int32_t first = rest->tokens.front();
  const bool special = text_of(first, true).empty() && !text_of(first, false).empty();
  if (special && first != bos) add_stop_id(first);
}

Result<std::string> Tokenizer::Impl::variables(std::span<const Message> messages,
                                               bool generation_prompt) const {
  Json list = Json::array();
  for (const Message& message : messages) {
    if (!is_utf8(message.role) || !is_utf8(message.content)) return not_utf8();
    list.push_back({{"role", message.role}, {"content", message.content}});
  }
  Json all = template_variables;
  all["messages"] = std::move(list);
  all["tools"] = nullptr;
  all["documents"] = nullptr;
  all["add_generation_prompt"] = generation_prompt;
  return all.dump();
}

Result<std::string> Tokenizer::Impl::render(std::span<const Message> messages,
                                            bool generation_prompt, bool mark) const {
  if (!chat_template) {
    return permanent(
        "ChatTemplateMissing",
        "the model has no chat template (chat_template.jinja or chat_template in "
        "tokenizer_config.json), so conversations cannot be rendered; use a model with "
        "one, or data with a `text` or with `prompt` and `completion` columns");
  }
  const auto json = variables(messages, generation_prompt);
  if (!json) return tl::unexpected(json.error());
  auto text = rust::render(*chat_template, *json, mark);
  if (!text) {
    return permanent("ChatTemplateRefused",
                     fmt::format("the chat template refuses: {}", text.error()));
  }
  return *std::move(text);
}

std::optional<RenderedChat> Tokenizer::Impl::chat_by_marks(std::span<const Message> messages,
                                                           bool generation_prompt) const {
  const auto marked = render(mark_contents(messages), generation_prompt, false);
  if (!marked) return std::nullopt;
  auto chat = take_marks(*marked);
  if (!chat) return std::nullopt;
  for (ByteSpan& span : chat->assistant) {
    if (std::string_view(chat->text).substr(0, span.begin).ends_with(turn_lead))
      span.begin -= turn_lead.size();
  }
  include_stop_tokens(chat->text, stop_texts, true, chat->assistant);
  return chat;
}

// add_bos_token of tokenizer_config.json wins over the post-processor; a text that brings its own
// BOS gets no second one.
void Tokenizer::Impl::fix_bos(std::string_view text, Encoding& encoding) const {
  if (!bos) return;
  auto& tokens = encoding.tokens;
  const bool own = !bos_text.empty() && text.starts_with(bos_text);
  const bool has = !tokens.empty() && tokens[0] == *bos;
  const bool twice = has && tokens.size() > 1 && tokens[1] == *bos;
  if ((own && twice) || (has && !own && add_bos == false)) {
    tokens.erase(tokens.begin());
    if (!encoding.spans.empty()) encoding.spans.erase(encoding.spans.begin());
  } else if (!has && add_bos == true) {
    tokens.insert(tokens.begin(), *bos);
    if (!encoding.spans.empty()) encoding.spans.insert(encoding.spans.begin(), ByteSpan{});
  }
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::load(const std::filesystem::path& model_dir) {
  auto files = read_tokenizer_files(model_dir);
  if (!files) return tl::unexpected(files.error());
  auto impl = std::make_unique<Impl>();
  auto tokenizer = rust::new_tokenizer(files->tokenizer_json);
  if (!tokenizer) {
    return permanent("TokenizerNotReadable",
                     fmt::format("{}: not a tokenizer that can be used: {}",
                                 (model_dir / "tokenizer.json").string(), tokenizer.error()));
  }
  impl->tokenizer = *std::move(tokenizer);
  impl->vocab_size = tsm_vocab_size(impl->tokenizer.get());
  impl->set_special_tokens(*files);
  if (files->chat_template) {
    auto chat_template = rust::new_template(*files->chat_template);
    if (!chat_template) {
      return permanent("ChatTemplateInvalid",
                       fmt::format("{}: the chat template is invalid: {}", model_dir.string(),
                                   chat_template.error()));
    }
    impl->chat_template = *std::move(chat_template);
    impl->probe_template();
  }
  return Tokenizer(std::move(impl));
}

Result<Encoding> Tokenizer::encode_with_spans(std::string_view text,
                                              bool add_special_tokens) const {
  if (!is_utf8(text)) return not_utf8();
  auto encoding = rust::encode(*impl_->tokenizer, text, add_special_tokens, true);
  if (!encoding) return permanent("TokenizerFailed", encoding.error());
  if (add_special_tokens) impl_->fix_bos(text, *encoding);
  return *std::move(encoding);
}

Result<std::vector<std::int32_t>> Tokenizer::encode(std::string_view text,
                                                    bool add_special_tokens) const {
  if (!is_utf8(text)) return not_utf8();
  auto encoding = rust::encode(*impl_->tokenizer, text, add_special_tokens, false);
  if (!encoding) return permanent("TokenizerFailed", encoding.error());
  if (add_special_tokens) impl_->fix_bos(text, *encoding);
  return std::move(encoding->tokens);
}

Result<std::string> Tokenizer::decode(std::span<const std::int32_t> tokens,
                                      bool skip_special) const {
  if (std::any_of(tokens.begin(), tokens.end(), [](std::int32_t id) { return id < 0; })) {
    return permanent("TokenOutOfRange", "a token to be decoded is negative");
  }
  auto text = rust::decode(*impl_->tokenizer, tokens, skip_special);
  if (!text) return permanent("TokenizerFailed", text.error());
  return *std::move(text);
}

Result<std::string> Tokenizer::render(std::span<const Message> messages,
                                      bool add_generation_prompt) const {
  return impl_->render(messages, add_generation_prompt, false);
}

Result<RenderedChat> Tokenizer::render_chat(std::span<const Message> messages,
                                            bool add_generation_prompt) const {
  auto text = impl_->render(messages, add_generation_prompt, false);
  if (!text) return tl::unexpected(text.error());
  if (tsm_template_has_generation(impl_->chat_template.get())) {
    const auto marked = impl_->render(messages, add_generation_prompt, true);
    if (!marked) return tl::unexpected(marked.error());
    auto chat = take_marks(*marked);
    if (chat && chat->text == *text) {
      include_stop_tokens(chat->text, impl_->stop_texts, false, chat->assistant);
      return *std::move(chat);
    }
  }
  auto spans = spans_by_beginnings(*text, messages, impl_->stop_texts, [&](std::size_t n) {
    return impl_->render(messages.first(n), true, false);
  });
  if (!spans && spans.error().reason == "ChatTemplateNotTrainable") {
    auto chat = impl_->chat_by_marks(messages, add_generation_prompt);
    if (chat && chat->text == *text) return *std::move(chat);
  }
  if (!spans) return tl::unexpected(spans.error());
  return RenderedChat{.text = *std::move(text), .assistant = *std::move(spans)};
}

bool Tokenizer::has_chat_template() const { return impl_->chat_template != nullptr; }
std::optional<std::int32_t> Tokenizer::bos_id() const { return impl_->bos; }
std::optional<std::int32_t> Tokenizer::eos_id() const { return impl_->eos; }
std::optional<std::int32_t> Tokenizer::pad_id() const { return impl_->pad; }
std::span<const std::int32_t> Tokenizer::stop_ids() const { return impl_->stop_ids; }
std::size_t Tokenizer::vocab_size() const { return impl_->vocab_size; }
std::optional<std::int32_t> Tokenizer::token_id(std::string_view token) const {
  return impl_->id_of(token);
}

}  // namespace tunesmith::engine
