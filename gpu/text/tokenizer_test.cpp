// Equality with the real transformers and tokenizers: testdata/golden.json, made by make_golden.py.
#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "text/testing/temporary_model.h"

namespace tunesmith::engine {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<std::int32_t>;
using testing::ElementsAre;
using testing::HasSubstr;

const std::filesystem::path kTestdata = std::filesystem::path(TUNESMITH_TEST_DIR) / "testdata";

const Json& golden() {
  static const Json* const json =
      new Json(Json::parse(std::ifstream(kTestdata / "golden.json"), nullptr, true));
  return *json;
}

Tokenizer load(const std::filesystem::path& dir) {
  auto tokenizer = Tokenizer::load(dir);
  if (!tokenizer) throw std::runtime_error(tokenizer.error().message);
  return *std::move(tokenizer);
}

std::vector<Message> messages_of(const Json& list) {
  std::vector<Message> messages;
  for (const auto& entry : list) messages.push_back({entry["role"], entry["content"]});
  return messages;
}

std::string said(const RenderedChat& chat) {
  std::string all;
  for (const ByteSpan& span : chat.assistant) {
    all += "[" + chat.text.substr(span.begin, span.end - span.begin) + "]";
  }
  return all;
}

const std::vector<Message> kTwoTurns{
    {"user", "Hi"}, {"assistant", "Yes?"}, {"user", "Bye"}, {"assistant", "So long"}};

// A vocabulary of words without a word for those it does not know.
TEST(Tokenizer, HandsOnWhatTheModelsTokenizerCannotDo) {
  const TemporaryModel model(kTestdata / "tiny");
  std::ofstream(model.dir() / "tokenizer.json") << R"({"version":"1.0","truncation":null,
    "padding":null,"added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},
    "post_processor":null,"decoder":null,
    "model":{"type":"WordLevel","vocab":{"known":0},"unk_token":"[UNK]"}})";
  const Tokenizer tokenizer = load(model.dir());
  EXPECT_TRUE(tokenizer.encode("known", false));
  const auto unknown = tokenizer.encode("unknown", false);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().reason, "TokenizerFailed");
  EXPECT_THAT(unknown.error().message, HasSubstr("[UNK]"));
}

TEST(Tokenizer, EncodesAndDecodesAsTransformers) {
  const Tokenizer tokenizer = load(kTestdata / "tiny");
  EXPECT_EQ(tokenizer.vocab_size(), golden()["vocab_size"].get<std::size_t>());
  ASSERT_GE(golden()["encodings"].size(), 50U);
  for (const auto& entry : golden()["encodings"]) {
    const std::string text = entry["text"];
    const Ids ids = entry["ids"];
    EXPECT_EQ(*tokenizer.encode(text, false), ids) << text;
    EXPECT_EQ(tokenizer.encode_with_spans(text, false)->tokens, ids) << text;
    EXPECT_EQ(*tokenizer.decode(ids, false), entry["decoded"].get<std::string>()) << text;
    EXPECT_EQ(*tokenizer.decode(ids, true), entry["decoded_skip"].get<std::string>()) << text;
    Ids with_special = entry["with_special"];
    if (text.starts_with("<s>")) with_special.erase(with_special.begin());  // no double BOS
    EXPECT_EQ(*tokenizer.encode(text, true), with_special) << text;
  }
}

TEST(Tokenizer, SpansCoverTheText) {
  const Tokenizer tokenizer = load(kTestdata / "tiny");
  const std::string text = "Turn 🇩🇪 on<|im_end|>\n";
  const auto encoding = tokenizer.encode_with_spans(text, true);
  ASSERT_TRUE(encoding);
  ASSERT_EQ(encoding->spans.size(), encoding->tokens.size());
  EXPECT_EQ(encoding->spans.front(), (ByteSpan{0, 0}));  // BOS is not in the text
  EXPECT_EQ(encoding->spans[1].begin, 0U);
  EXPECT_EQ(encoding->spans.back().end, text.size());
  const std::size_t at = text.find("<|im_end|>");
  EXPECT_THAT(encoding->spans, testing::Contains(ByteSpan{at, at + 10}));
}

TEST(Tokenizer, KnowsItsSpecialTokens) {
  const Tokenizer tokenizer = load(kTestdata / "tiny");
  EXPECT_EQ(tokenizer.bos_id(), tokenizer.token_id("<s>"));
  EXPECT_EQ(tokenizer.eos_id(), tokenizer.token_id("<|im_end|>"));
  EXPECT_EQ(tokenizer.pad_id(), tokenizer.token_id("<|endoftext|>"));
  EXPECT_FALSE(tokenizer.token_id("<|no such token|>"));
  // eos_token_id of generation_config.json, ascending
  EXPECT_THAT(tokenizer.stop_ids(),
              ElementsAre(*tokenizer.token_id("<|endoftext|>"), *tokenizer.token_id("<|im_end|>")));
}

TEST(Tokenizer, RendersAsTransformers) {
  ASSERT_GE(golden()["renderings"].size(), 60U);
  for (const auto& entry : golden()["renderings"]) {
    const TemporaryModel model(kTestdata / "tiny", kTestdata / "templates" / entry["template"]);
    const Tokenizer tokenizer = load(model.dir());
    const auto messages = messages_of(entry["messages"]);
    for (const bool prompt : {false, true}) {
      const Json& expected = entry[prompt ? "prompt" : "plain"];
      const auto text = tokenizer.render(messages, prompt);
      const std::string which = entry["template"].get<std::string>() + ", " +
                                entry["name"].get<std::string>() + (prompt ? ", prompt" : "");
      ASSERT_EQ(text.has_value(), expected.contains("text"))
          << which << (text ? "" : ": " + text.error().message);
      if (text) {
        EXPECT_EQ(*text, expected["text"].get<std::string>()) << which;
      } else {
        EXPECT_EQ(text.error().reason, "ChatTemplateRefused");
      }
    }
  }
}

TEST(Tokenizer, MasksAsTransformersByGenerationTags) {
  int compared = 0;
  for (const auto& entry : golden()["renderings"]) {
    if (!entry.contains("assistant")) continue;
    const TemporaryModel model(kTestdata / "tiny", kTestdata / "templates" / entry["template"]);
    const Tokenizer tokenizer = load(model.dir());
    const auto chat = tokenizer.render_chat(messages_of(entry["messages"]), false);
    ASSERT_TRUE(chat) << chat.error().message;
    const auto encoding = tokenizer.encode_with_spans(chat->text, false);
    EXPECT_EQ(encoding->tokens, entry["assistant"]["tokens"].get<Ids>());
    Ids mask;
    for (const ByteSpan& token : encoding->spans) {
      const auto inside = [&](const ByteSpan& span) {
        return token.begin < span.end && token.end > span.begin;
      };
      mask.push_back(std::any_of(chat->assistant.begin(), chat->assistant.end(), inside) ? 1 : 0);
    }
    EXPECT_EQ(mask, entry["assistant"]["mask"].get<Ids>())
        << entry["template"] << " " << entry["name"];
    ++compared;
  }
  EXPECT_GE(compared, 10);
}

TEST(Tokenizer, WithoutTagsTheTurnsAreFoundWithTheirEndTokens) {
  const struct {
    const char* chat_template;
    const char* expected;
  } cases[] = {
      {"chatml.jinja", "[Yes?<|im_end|>][So long<|im_end|>]"},
      {"llama3.jinja", "[Yes?<|eot_id|>][So long<|eot_id|>]"},
      {"mistral.jinja", "[ Yes?</s>][ So long</s>]"},
      {"phi3.jinja", "[Yes?<|end|>][So long<|end|>]"},
      {"generation.jinja", "[Yes?<|im_end|>][So long<|im_end|>]"},
  };
  for (const auto& [name, expected] : cases) {
    const TemporaryModel model(kTestdata / "tiny", kTestdata / "templates" / name);
    const auto chat = load(model.dir()).render_chat(kTwoTurns, false);
    ASSERT_TRUE(chat) << name << ": " << chat.error().message;
    EXPECT_EQ(said(*chat), expected) << name;
  }
}

TEST(Tokenizer, TheTemplateTellsTheEndOfATurnThatNoConfigurationNames) {
  const TemporaryModel model(kTestdata / "tiny", kTestdata / "templates" / "phi3.jinja");
  const Tokenizer tokenizer = load(model.dir());
  EXPECT_THAT(tokenizer.stop_ids(), testing::Contains(*tokenizer.token_id("<|end|>")));
}

TEST(Tokenizer, ATurnThatRepeatsTheQuestionIsFound) {
  const TemporaryModel model(kTestdata / "tiny", kTestdata / "templates" / "chatml.jinja");
  const std::vector<Message> same{{"user", "same"}, {"assistant", "same"}};
  const auto chat = load(model.dir()).render_chat(same, false);
  ASSERT_TRUE(chat);
  EXPECT_EQ(said(*chat), "[same<|im_end|>]");
  EXPECT_EQ(chat->assistant[0].begin, chat->text.rfind("same"));
}

TEST(Tokenizer, ATemplateThatRewritesThePastIsUnderstood) {
  const TemporaryModel model(kTestdata / "tiny", kTestdata / "templates" / "mistral.jinja");
  std::vector<Message> messages{{"system", "Be brief."}};
  messages.insert(messages.end(), kTwoTurns.begin(), kTwoTurns.end());
  const auto chat = load(model.dir()).render_chat(messages, false);
  ASSERT_TRUE(chat) << chat.error().message;
  // The system message goes only into a question that stands last: as in the original.
  EXPECT_EQ(chat->text, "<s>[INST] Hi [/INST] Yes?</s>[INST] Bye [/INST] So long</s>");
  EXPECT_EQ(said(*chat), "[ Yes?</s>][ So long</s>]");
}

TEST(Tokenizer, RefusesATemplateThatHidesWhatWasSaid) {
  const TemporaryModel model(kTestdata / "tiny",
                             std::string("{% for m in messages %}"
                                         "{{ messages|length }}:"
                                         "{{ m.content|upper }}\n{% endfor %}"));
  const auto chat = load(model.dir()).render_chat(kTwoTurns, false);
  ASSERT_FALSE(chat);
  EXPECT_EQ(chat.error().reason, "ChatTemplateNotTrainable");
  EXPECT_THAT(chat.error().message, HasSubstr("message 2"));
}

TEST(Tokenizer, HostileTemplatesFailWithoutHarm) {
  const struct {
    const char* chat_template;
    const char* reason;
  } cases[] = {
      {"{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
       "ChatTemplateRefused"},
      {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "ChatTemplateRefused"},
      {"{{ messages.nothing.at.all }}", "ChatTemplateRefused"},
      {"{{ no_such_function() }}", "ChatTemplateRefused"},
      {"{% include '/etc/passwd' %}", "ChatTemplateRefused"},
      {"{% if %}", "ChatTemplateInvalid"},
      {"{% for m in messages %}", "ChatTemplateInvalid"},
  };
  for (const auto& [source, reason] : cases) {
    const TemporaryModel model(kTestdata / "tiny", std::string(source));
    const auto tokenizer = Tokenizer::load(model.dir());
    if (!tokenizer) {
      EXPECT_EQ(tokenizer.error().reason, reason) << source;
      continue;
    }
    const auto text = tokenizer->render(kTwoTurns, false);
    ASSERT_FALSE(text) << source << " gave " << text->substr(0, 100);
    EXPECT_EQ(text.error().reason, reason) << source;
  }
}

TEST(Tokenizer, TheDateOfATemplateIsFixed) {
  const TemporaryModel model(kTestdata / "tiny", std::string("{{ strftime_now('%d %b %Y') }}"));
  EXPECT_EQ(*load(model.dir()).render(kTwoTurns, false), "26 Jul 2024");
}

TEST(Tokenizer, SaysWhatIsWrongWithAModelFolder) {
  const auto nowhere = Tokenizer::load(kTestdata / "no such folder");
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().reason, "TokenizerNotReadable");
  EXPECT_THAT(nowhere.error().message, HasSubstr("no such file"));

  const TemporaryModel model(kTestdata / "tiny");
  EXPECT_EQ(load(model.dir()).render(kTwoTurns, false).error().reason, "ChatTemplateMissing");
  for (const std::string content :
       {"", "{}", "[1,2", "{\"model\":{\"type\":\"BPE\"}}", "\xff\xfe"}) {
    std::ofstream(model.dir() / "tokenizer.json", std::ios::trunc) << content;
    const auto damaged = Tokenizer::load(model.dir());
    ASSERT_FALSE(damaged) << content;
    EXPECT_EQ(damaged.error().reason, "TokenizerNotReadable");
  }
}

TEST(Tokenizer, RefusesTextThatIsNotUtf8AndTokensThatCannotBe) {
  const Tokenizer tokenizer = load(kTestdata / "tiny");
  EXPECT_EQ(tokenizer.encode("ab\xff", false).error().reason, "TextNotUtf8");
  EXPECT_EQ(tokenizer.encode_with_spans("\xc3", true).error().reason, "TextNotUtf8");
  const Ids negative{1, -1};
  EXPECT_EQ(tokenizer.decode(negative, false).error().reason, "TokenOutOfRange");
  const Ids unknown{2147483647};
  EXPECT_EQ(*tokenizer.decode(unknown, false), "");
}

TEST(Tokenizer, AddBosTokenOfTheConfigurationWins) {
  const TemporaryModel model(kTestdata / "tiny");
  const auto with = [&](const char* config) {
    std::ofstream(model.dir() / "tokenizer_config.json", std::ios::trunc) << config;
    return *load(model.dir()).encode("a", true);
  };
  const Ids plain = *load(model.dir()).encode("a", false);
  EXPECT_EQ(with(R"({"bos_token":"<s>","add_bos_token":false})"), plain);
  EXPECT_EQ(with(R"({"bos_token":"<s>"})").size(), plain.size() + 1);
  EXPECT_EQ(with(R"({"bos_token":{"content":"<s>"},"add_bos_token":true})").size(),
            plain.size() + 1);
}

TEST(Tokenizer, IsUsedFromSeveralThreadsAtOnce) {
  const TemporaryModel model(kTestdata / "tiny", kTestdata / "templates" / "chatml.jinja");
  const Tokenizer tokenizer = load(model.dir());
  const std::string expected = *tokenizer.render(kTwoTurns, true);
  const Ids tokens = *tokenizer.encode(expected, false);
  std::vector<std::thread> threads;
  std::vector<int> equal(4, 0);
  for (int& count : equal) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        const auto text = tokenizer.render(kTwoTurns, true);
        if (text && *tokenizer.encode(*text, false) == tokens) ++count;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(equal, ElementsAre(200, 200, 200, 200));
}

}  // namespace
}  // namespace tunesmith::engine
