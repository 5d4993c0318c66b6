#include "serve/generate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "formats/test_folder.h"
#include "model/tiny_model.h"

namespace tunesmith::engine {
namespace {

class GenerateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::write_tiny_model(folder_.path());
    decoder_.emplace(testing::load_tiny_model(folder_.path(), testing::tiny_adapter()));
    for (const std::size_t length : {3, 17, 1, 8, 50, 2, 9}) {
      prompts_.push_back(testing::random_document(length, length).tokens);
    }
  }

  std::map<std::size_t, Tokens> answers(const GenerateOptions& options) {
    std::map<std::size_t, Tokens> found;
    const auto result =
        generate(*decoder_, prompts_, options, [&](std::size_t index, const Tokens& answer) {
          EXPECT_TRUE(found.emplace(index, answer).second) << "answered twice";
        });
    EXPECT_TRUE(result);
    return found;
  }

  // The whole sequence through the decoder for every token: no cache, no batch.
  Tokens plain(Tokens sequence, std::size_t count) {
    Tokens answer;
    while (answer.size() < count) {
      const std::vector<Tokens> prompt{sequence};
      decoder_->logits(make_prompt_batch(prompt), [&](std::int64_t, const float* logits) {
        answer.push_back(static_cast<std::int32_t>(
            std::max_element(logits, logits + testing::kTinyVocab) - logits));
      });
      sequence.push_back(answer.back());
    }
    return answer;
  }

  TestFolder folder_;
  std::optional<Decoder> decoder_;
  std::vector<Tokens> prompts_;
};

TEST_F(GenerateTest, EqualsComputingEveryStepAnew) {
  for (const std::size_t batch : {1, 3, 16}) {
    const auto found = answers({.max_new_tokens = 20, .batch = batch, .stop_ids = {}});
    ASSERT_EQ(found.size(), prompts_.size());
    for (std::size_t i = 0; i < prompts_.size(); ++i) {
      EXPECT_EQ(found.at(i), plain(prompts_[i], 20)) << "prompt " << i << ", batch " << batch;
    }
  }
}

TEST_F(GenerateTest, StopsAtAStopTokenAndLeavesItOut) {
  const Tokens whole = plain(prompts_[0], 20);
  const std::vector<std::int32_t> stop{whole[5]};
  const auto first = std::ranges::find(whole, whole[5]) - whole.begin();
  const auto found = answers({.max_new_tokens = 20, .batch = 4, .stop_ids = stop});
  EXPECT_EQ(found.at(0), Tokens(whole.begin(), whole.begin() + first));
}

TEST_F(GenerateTest, AsksForNothingGetsNothing) {
  for (const auto& [index, answer] : answers({.max_new_tokens = 0, .batch = 4, .stop_ids = {}})) {
    EXPECT_TRUE(answer.empty()) << index;
  }
}

TEST_F(GenerateTest, EndsAtTheModelsLongestPosition) {
  prompts_ = {testing::random_document(510, 1).tokens};
  EXPECT_EQ(answers({.max_new_tokens = 20, .batch = 4, .stop_ids = {}}).at(0).size(), 3U);
}

TEST_F(GenerateTest, RefusesPromptsThatCannotBeAsked) {
  const auto reason = [&](Tokens prompt) {
    prompts_ = {std::move(prompt)};
    return generate(*decoder_, prompts_, {}, [](std::size_t, const Tokens&) {}).error().reason;
  };
  EXPECT_EQ(reason({}), "PromptEmpty");
  EXPECT_EQ(reason(Tokens(513, 1)), "PromptTooLong");
  EXPECT_EQ(reason({97}), "VocabularyMismatch");
}

}  // namespace
}  // namespace tunesmith::engine
