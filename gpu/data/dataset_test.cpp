#include "data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "formats/test_folder.h"
#include "text/testing/temporary_model.h"

namespace tunesmith::engine {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

const fs::path kTestdata = fs::path(TUNESMITH_TEST_DIR) / "testdata";
const fs::path kText = fs::path(TUNESMITH_TEST_DIR) / "../text/testdata";

// A tokenizer with a chat template of text/testdata/templates; no template when empty.
Tokenizer tokenizer_with(const std::string& chat_template) {
  const auto load = [](const fs::path& dir) {
    auto tokenizer = Tokenizer::load(dir);
    if (!tokenizer) throw std::runtime_error(tokenizer.error().message);
    return *std::move(tokenizer);
  };
  if (chat_template.empty()) return load(kText / "tiny");
  const TemporaryModel model(kText / "tiny", kText / "templates" / chat_template);
  return load(model.dir());
}

std::string text_of(const Example& example, const Tokenizer& tokenizer) {
  return *tokenizer.decode(example.tokens, false);
}

// The text of the targets.
std::string targets_of(const Example& example, const Tokenizer& tokenizer) {
  std::vector<std::int32_t> targets;
  for (std::size_t i = 0; i < example.tokens.size(); ++i) {
    if (example.is_target[i] != 0) targets.push_back(example.tokens[i]);
  }
  return *tokenizer.decode(targets, false);
}

Result<Dataset> load_text(const std::string& name, const std::string& content,
                          const DataOptions& options, const Tokenizer& tokenizer) {
  const TestFolder folder;
  return load_dataset(std::vector{folder.write(name, content)}, options, tokenizer);
}

const char* const kTwoTurns =
    R"({"messages":[{"role":"system","content":"S"},{"role":"user","content":"Hi there"},)"
    R"({"role":"assistant","content":"Yes?"},{"role":"user","content":"Bye"},)"
    R"({"role":"assistant","content":"So long"}]})"
    "\n";

TEST(Dataset, LearnsOnlyWhatTheAssistantSaidAndTheEndOfItsTurns) {
  const struct {
    const char* chat_template;
    const char* targets;
  } cases[] = {
      {"chatml.jinja", "Yes?<|im_end|>So long<|im_end|>"},
      {"llama3.jinja", "Yes?<|eot_id|>So long<|eot_id|>"},
      {"mistral.jinja", " Yes?</s> So long</s>"},
      {"phi3.jinja", "Yes?<|end|>So long<|end|>"},
      {"generation.jinja", "Yes?<|im_end|>So long<|im_end|>"},
  };
  for (const auto& [name, targets] : cases) {
    const Tokenizer tokenizer = tokenizer_with(name);
    const auto dataset = load_text("a.jsonl", kTwoTurns, {}, tokenizer);
    ASSERT_TRUE(dataset) << name << ": " << dataset.error().message;
    ASSERT_EQ(dataset->train.size(), 1U);
    EXPECT_EQ(targets_of(dataset->train[0], tokenizer), targets) << name;
    EXPECT_EQ(dataset->train[0].tokens.size(), dataset->train[0].is_target.size());
  }
}

TEST(Dataset, WritesBosOnce) {
  const Tokenizer mistral = tokenizer_with("mistral.jinja");
  const auto chat = load_text("a.jsonl", kTwoTurns, {}, mistral);
  const auto text =
      load_text("a.jsonl", "{\"text\":\"<s>own\"}\n{\"text\":\"none\"}\n", {}, mistral);
  ASSERT_TRUE(chat && text);
  for (const Example& example : {chat->train[0], text->train[0], text->train[1]}) {
    EXPECT_EQ(std::count(example.tokens.begin(), example.tokens.end(), *mistral.bos_id()), 1);
    EXPECT_EQ(example.tokens[0], *mistral.bos_id());
    EXPECT_EQ(example.is_target[0], 0);
  }
}

TEST(Dataset, LearnsEverythingWhenAskedTo) {
  const Tokenizer tokenizer = tokenizer_with("chatml.jinja");
  DataOptions options;
  options.assistant_only_loss = false;
  const auto dataset = load_text("a.jsonl", kTwoTurns, options, tokenizer);
  ASSERT_TRUE(dataset);
  const auto& mask = dataset->train[0].is_target;
  EXPECT_EQ(mask[0], 0);
  EXPECT_EQ(static_cast<std::size_t>(std::count(mask.begin(), mask.end(), 1)), mask.size() - 1);
}

TEST(Dataset, PromptAndCompletionEndWithEos) {
  const Tokenizer tokenizer = tokenizer_with("");
  const auto dataset =
      load_text("a.jsonl", "{\"prompt\":\"Q: what\",\"completion\":\" is it\"}\n", {}, tokenizer);
  ASSERT_TRUE(dataset) << dataset.error().message;
  EXPECT_EQ(dataset->report.layout, "prompt-completion");
  EXPECT_EQ(text_of(dataset->train[0], tokenizer), "<s>Q: what is it<|im_end|>");
  EXPECT_EQ(targets_of(dataset->train[0], tokenizer), " is it<|im_end|>");
}

TEST(Dataset, OfAGivenConversationOnlyTheCompletionIsLearnt) {
  const Tokenizer tokenizer = tokenizer_with("chatml.jinja");
  const auto dataset = load_text(
      "a.jsonl",
      R"({"prompt":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},)"
      R"({"role":"user","content":"c"}],"completion":[{"role":"assistant","content":"d"}]})"
      "\n",
      {}, tokenizer);
  ASSERT_TRUE(dataset) << dataset.error().message;
  EXPECT_EQ(targets_of(dataset->train[0], tokenizer), "d<|im_end|>");
}

TEST(Dataset, ATemplateWithoutEndOfTurnIsClosedWithEos) {
  const TemporaryModel model(
      kText / "tiny", std::string("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor "
                                  "%}{% if add_generation_prompt %}assistant: {% endif %}"));
  const auto tokenizer = Tokenizer::load(model.dir());
  ASSERT_TRUE(tokenizer);
  const auto dataset = load_text("a.jsonl", kTwoTurns, {}, *tokenizer);
  ASSERT_TRUE(dataset) << dataset.error().message;
  EXPECT_THAT(text_of(dataset->train[0], *tokenizer), testing::EndsWith("So long<|im_end|>"));
  EXPECT_THAT(targets_of(dataset->train[0], *tokenizer), testing::EndsWith("So long<|im_end|>"));
}

TEST(Dataset, CutsAtMaxSeqLengthAndSaysSo) {
  const Tokenizer tokenizer = tokenizer_with("chatml.jinja");
  DataOptions options;
  const auto whole = load_text("a.jsonl", kTwoTurns, options, tokenizer);
  ASSERT_TRUE(whole);
  const std::size_t size = whole->train[0].tokens.size();
  EXPECT_EQ(whole->report.longest, size);
  EXPECT_EQ(whole->report.cut_examples, 0U);

  options.max_seq_length = size - 4;
  const auto cut = load_text("a.jsonl", kTwoTurns, options, tokenizer);
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->train[0].tokens.size(), size - 4);
  EXPECT_TRUE(std::equal(cut->train[0].tokens.begin(), cut->train[0].tokens.end(),
                         whole->train[0].tokens.begin()));
  EXPECT_EQ(cut->report.longest, size);
  EXPECT_EQ(cut->report.cut_examples, 1U);

  options.max_seq_length = 8;  // ends before the first answer
  const auto none = load_text("a.jsonl", kTwoTurns, options, tokenizer);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().reason, "NoTrainableTokens");
  EXPECT_THAT(none.error().message, HasSubstr("max_seq_length"));
}

TEST(Dataset, CountsWhatItFound) {
  const Tokenizer tokenizer = tokenizer_with("chatml.jinja");
  const auto dataset =
      load_dataset(std::vector{kTestdata / "messages-zstd.parquet", kTestdata / "messages.jsonl"},
                   {}, tokenizer);
  ASSERT_TRUE(dataset) << dataset.error().message;
  const DatasetReport& report = dataset->report;
  EXPECT_EQ(report.rows, 120U);
  EXPECT_EQ(report.dropped_rows, 36U);
  EXPECT_THAT(report.dropped, ElementsAre(testing::Pair("`messages` is empty", 24U),
                                          testing::Pair("a message without text content", 12U)));
  EXPECT_EQ(dataset->train.size(), 84U);
  std::uint64_t tokens = 0;
  std::uint64_t targets = 0;
  for (const Example& example : dataset->train) {
    tokens += example.tokens.size();
    targets += static_cast<std::uint64_t>(
        std::count(example.is_target.begin(), example.is_target.end(), 1));
  }
  EXPECT_EQ(report.tokens, tokens);
  EXPECT_EQ(report.target_tokens, targets);
}

TEST(Dataset, RowsThatTheTemplateRefusesAreCountedWithItsWords) {
  const Tokenizer tokenizer = tokenizer_with("mistral.jinja");
  const char* const wrong = R"({"messages":[{"role":"assistant","content":"x"}]})";
  const auto dataset = load_text("a.jsonl", std::string(wrong) + "\n" + kTwoTurns, {}, tokenizer);
  ASSERT_TRUE(dataset) << dataset.error().message;
  EXPECT_EQ(dataset->report.dropped_rows, 1U);
  EXPECT_THAT(dataset->report.dropped.begin()->first, HasSubstr("roles must alternate"));
}

TEST(Dataset, RefusesDataFromWhichNothingIsLearnt) {
  const Tokenizer tokenizer = tokenizer_with("chatml.jinja");
  const auto dataset = load_text("a.jsonl",
                                 R"({"messages":[{"role":"user","content":"x"}]})"
                                 "\n{\"messages\":[]}\n"
                                 R"({"messages":[{"role":"user","content":"y"}]})"
                                 "\n",
                                 {}, tokenizer);
  ASSERT_FALSE(dataset);
  EXPECT_EQ(dataset.error().reason, "NoTrainableTokens");
  EXPECT_THAT(dataset.error().message, HasSubstr("none of the 3 rows"));
  EXPECT_THAT(dataset.error().message, HasSubstr("(2 rows): no assistant turn"));
}

TEST(Dataset, RefusesMoreTokensThanItCanCount) {
  DataOptions options;
  options.max_tokens = 3;
  const auto dataset = load_text("a.jsonl", kTwoTurns, options, tokenizer_with("chatml.jinja"));
  ASSERT_FALSE(dataset);
  EXPECT_EQ(dataset.error().reason, "DataTooLarge");
  EXPECT_THAT(dataset.error().message, HasSubstr("more than 3 tokens"));
}

TEST(Dataset, ConversationsNeedAChatTemplate) {
  const auto dataset = load_text("a.jsonl", kTwoTurns, {}, tokenizer_with(""));
  ASSERT_FALSE(dataset);
  EXPECT_EQ(dataset.error().reason, "ChatTemplateMissing");
}

TEST(Dataset, TheSplitIsTheSameEverywhere) {
  const Tokenizer tokenizer = tokenizer_with("");
  std::string lines;
  for (int i = 0; i < 10; ++i) lines += "{\"text\":\"row " + std::to_string(i) + "\"}\n";
  DataOptions options;
  options.train_test_split = 0.7;
  const auto evaluated = [&](std::uint64_t seed) {
    options.seed = seed;
    const auto dataset = load_text("a.jsonl", lines, options, tokenizer);
    EXPECT_TRUE(dataset);
    EXPECT_EQ(dataset->train.size(), 7U);
    std::string rows;
    for (const Example& example : dataset->eval) rows += text_of(example, tokenizer);
    return rows;
  };
  // by an independent implementation in Python of what dataset.h says
  EXPECT_EQ(evaluated(42), "<s>row 2<|im_end|><s>row 5<|im_end|><s>row 9<|im_end|>");
  EXPECT_EQ(evaluated(43), "<s>row 1<|im_end|><s>row 3<|im_end|><s>row 8<|im_end|>");
  options.train_test_split = 1.0;
  EXPECT_TRUE(load_text("a.jsonl", lines, options, tokenizer)->eval.empty());
  options.train_test_split = 0.01;  // something is always trained on
  EXPECT_EQ(load_text("a.jsonl", lines, options, tokenizer)->train.size(), 1U);
}

TEST(Dataset, RefusesOptionsOutOfRange) {
  const Tokenizer tokenizer = tokenizer_with("");
  for (const double split : {0.0, -1.0, 1.5, std::nan("")}) {
    DataOptions options;
    options.train_test_split = split;
    const auto dataset = load_text("a.jsonl", "{\"text\":\"x\"}\n", options, tokenizer);
    ASSERT_FALSE(dataset);
    EXPECT_EQ(dataset.error().reason, "TrainingConfigInvalid");
  }
}

TEST(Conversations, AreAskedAsTheyAreTrained) {
  const Tokenizer tokenizer = tokenizer_with("chatml.jinja");
  const TestFolder folder;
  const auto path = folder.write("a.jsonl", kTwoTurns);
  const auto conversations = load_conversations(std::vector{path});
  ASSERT_TRUE(conversations) << conversations.error().message;
  ASSERT_EQ(conversations->size(), 1U);
  EXPECT_EQ(conversations->front().expected, "So long");
  EXPECT_EQ(conversations->front().prompt.size(), 4U);
  const auto prompt = encode_prompt(conversations->front(), tokenizer);
  const auto trained = load_dataset(std::vector{path}, {}, tokenizer);
  ASSERT_TRUE(prompt && trained);
  const auto& tokens = trained->train[0].tokens;
  ASSERT_LT(prompt->size(), tokens.size());
  EXPECT_TRUE(std::equal(prompt->begin(), prompt->end(), tokens.begin()));
  EXPECT_EQ(trained->train[0].is_target[prompt->size()], 1);
}

TEST(Conversations, WithoutAnAnswerExpectNothing) {
  const TestFolder folder;
  const auto chats = load_conversations(
      std::vector{folder.write("a.jsonl", R"({"messages":[{"role":"user","content":"x"}]})"
                                          "\n")});
  ASSERT_TRUE(chats);
  EXPECT_EQ(chats->front().prompt.size(), 1U);
  EXPECT_EQ(chats->front().expected, "");
  const auto pairs = load_conversations(
      std::vector{folder.write("b.jsonl", "{\"prompt\":\"p\",\"completion\":\"c\"}\n")});
  ASSERT_TRUE(pairs);
  EXPECT_TRUE(pairs->front().prompt.empty());
  EXPECT_EQ(pairs->front().prompt_text, "p");
  EXPECT_EQ(pairs->front().expected, "c");
  EXPECT_EQ(encode_prompt(pairs->front(), tokenizer_with(""))->size(), 2U);  // BOS and "p"
}

}  // namespace
}  // namespace tunesmith::engine
