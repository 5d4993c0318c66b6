#include "serve/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace tunesmith::engine {
namespace {

// A prompt that is being answered.
struct Sequence {
  std::size_t index = 0;
  std::unique_ptr<KvCache> cache;
  Tokens answer;
  bool done = false;
};

class Generator {
 public:
  Generator(Decoder& decoder, std::span<const Tokens> prompts, const GenerateOptions& options,
            const AnswerSink& sink)
      : decoder_(decoder), prompts_(prompts), options_(options), sink_(sink) {}

  void run() {
    while (next_ < prompts_.size() || !active_.empty()) {
      // Prompts are read several at a time: worth it when half of the places are free.
      if (next_ < prompts_.size() && active_.size() <= options_.batch / 2) admit();
      hand_out();
      if (!active_.empty()) advance();
      hand_out();
    }
  }

 private:
  void admit() {
    const std::size_t first_new = active_.size();
    const std::size_t end = std::min(prompts_.size(), next_ + options_.batch - first_new);
    const Batch batch = make_prompt_batch(prompts_.subspan(next_, end - next_));
    for (; next_ < end; ++next_) {
      const std::size_t room =
          std::min(prompts_[next_].size() + options_.max_new_tokens,
                   static_cast<std::size_t>(decoder_.config().max_position_embeddings));
      active_.push_back({next_,
                         std::make_unique<KvCache>(decoder_.config(), decoder_.elem(),
                                                   static_cast<std::int64_t>(room)),
                         {},
                         options_.max_new_tokens == 0});
    }
    decoder_.prefill(batch, caches(first_new), [&](std::int64_t row, const float* logits) {
      choose(active_[first_new + static_cast<std::size_t>(row)], logits);
    });
  }

  void advance() {
    Tokens tokens;
    for (const Sequence& sequence : active_) tokens.push_back(sequence.answer.back());
    decoder_.decode(tokens, caches(0), [&](std::int64_t row, const float* logits) {
      choose(active_[static_cast<std::size_t>(row)], logits);
    });
  }

  void choose(Sequence& sequence, const float* logits) {
    if (sequence.done) return;
    const float* best = std::max_element(logits, logits + decoder_.config().vocab_size);
    const auto token = static_cast<std::int32_t>(best - logits);
    if (std::ranges::find(options_.stop_ids, token) != options_.stop_ids.end()) {
      sequence.done = true;
      return;
    }
    sequence.answer.push_back(token);
    sequence.done = sequence.answer.size() >= options_.max_new_tokens ||
                    sequence.cache->length >= sequence.cache->capacity();
  }

  void hand_out() {
    for (const Sequence& sequence : active_) {
      if (sequence.done) sink_(sequence.index, sequence.answer);
    }
    std::erase_if(active_, [](const Sequence& sequence) { return sequence.done; });
  }

  std::vector<KvCache*> caches(std::size_t first) const {
    std::vector<KvCache*> out;
    for (std::size_t i = first; i < active_.size(); ++i) out.push_back(active_[i].cache.get());
    return out;
  }

  Decoder& decoder_;
  std::span<const Tokens> prompts_;
  const GenerateOptions& options_;
  const AnswerSink& sink_;
  std::vector<Sequence> active_;
  std::size_t next_ = 0;
};

}  // namespace

Result<void> generate(Decoder& decoder, std::span<const Tokens> prompts,
                      const GenerateOptions& options, const AnswerSink& sink) {
  const ModelConfig& config = decoder.config();
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (prompts[i].empty()) {
      return permanent("PromptEmpty", fmt::format("prompt {} has no tokens", i));
    }
    if (static_cast<std::int64_t>(prompts[i].size()) > config.max_position_embeddings) {
      return permanent("PromptTooLong",
                       fmt::format("prompt {} has {} tokens, the model takes {}", i,
                                   prompts[i].size(), config.max_position_embeddings));
    }
    for (const std::int32_t token : prompts[i]) {
      if (token >= 0 && token < config.vocab_size) continue;
      return permanent("VocabularyMismatch", fmt::format("prompt {} has token {}, the model has {}",
                                                         i, token, config.vocab_size));
    }
  }
  Generator(decoder, prompts, options, sink).run();
  return {};
}

}  // namespace tunesmith::engine
