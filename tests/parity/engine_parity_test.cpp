// Training and text of the whole engine against peft and transformers: same initial adapter, data
// and hyper-parameters.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <nlohmann/json.hpp>

#include "formats/adapter.h"
#include "formats/test_folder.h"
#include "golden.h"
#include "model/load_decoder.h"
#include "serve/generate.h"
#include "train/trainer.h"

namespace tunesmith::engine {
namespace {

using nlohmann::json;

json golden_json(const std::string& name) { return json::parse(read_all(golden(name))); }

// What a run left behind.
struct Trained {
  std::vector<double> losses;  // of each step
  Started started;
  Adapter adapter;
};

Trained train_on_goldens(const std::string& method, const TestFolder& folder) {
  const json job = {{"model_dir", golden("tiny-llama").string()},
                    {"model_name", "tiny-llama"},
                    {"data", {golden("train.jsonl").string()}},
                    {"work_dir", (folder / "work").string()},
                    {"initial_adapter", golden("initial-adapter").string()},
                    {"checkpoint_interval_seconds", 0},
                    {"method", method},
                    {"device", "cpu"},
                    {"compute", "fp32"},
                    {"threads", 1},
                    {"hyper_parameters", golden_json("training.json").at("hyper_parameters")}};
  const Job parsed = read_job(folder.write("job.json", job.dump())).value();
  Trained trained;
  std::filesystem::path adapter_dir;
  const EventSink sink = [&](const Event& event) {
    if (const auto* started = std::get_if<Started>(&event)) trained.started = *started;
    if (const auto* progress = std::get_if<Progress>(&event))
      trained.losses.push_back(progress->loss);
    if (const auto* finished = std::get_if<Finished>(&event)) adapter_dir = finished->adapter_dir;
  };
  const std::atomic<bool> stop = false;
  const auto end = train(parsed, sink, stop);
  EXPECT_TRUE(end) << end.error().message;
  trained.adapter = read_adapter(adapter_dir).value();
  return trained;
}

// One error over all matrices of all modules, as of one long vector each for A and B.
double adapter_error(const Adapter& ours, const Adapter& theirs,
                     std::vector<float> LoraModule::*matrix) {
  std::vector<float> a;
  std::vector<float> b;
  EXPECT_EQ(ours.modules.size(), theirs.modules.size());
  for (std::size_t i = 0; i < theirs.modules.size(); ++i) {
    EXPECT_EQ(ours.modules[i].path, theirs.modules[i].path);
    a.insert(a.end(), (ours.modules[i].*matrix).begin(), (ours.modules[i].*matrix).end());
    b.insert(b.end(), (theirs.modules[i].*matrix).begin(), (theirs.modules[i].*matrix).end());
  }
  return relative_error(a, b);
}

class TrainingParity : public testing::TestWithParam<const char*> {};

TEST_P(TrainingParity, LossesAndAdapterEqualThoseOfPeft) {
  const std::string method = GetParam();
  const json expected = golden_json("training.json");
  const TestFolder folder;
  const Trained ours = train_on_goldens(method, folder);

  EXPECT_EQ(ours.started.train_examples, 20U);
  EXPECT_EQ(ours.started.train_tokens, expected.at("tokens"));
  EXPECT_EQ(ours.started.target_tokens, expected.at("target_tokens"));
  EXPECT_EQ(ours.started.compute, "fp32");
  const auto losses = expected.at("losses").at(method).get<std::vector<double>>();
  ASSERT_EQ(ours.losses.size(), losses.size());
  for (std::size_t step = 0; step < losses.size(); ++step) {
    EXPECT_NEAR(ours.losses[step], losses[step], 1e-3 * losses[step]) << "step " << step + 1;
  }
  const Adapter theirs = read_adapter(golden(method + "-adapter")).value();
  EXPECT_LE(adapter_error(ours.adapter, theirs, &LoraModule::a), 1e-2);
  EXPECT_LE(adapter_error(ours.adapter, theirs, &LoraModule::b), 1e-2);
  // The measure can say no: the initial adapter is far from the trained one.
  const Adapter initial = read_adapter(golden("initial-adapter")).value();
  EXPECT_GT(adapter_error(initial, theirs, &LoraModule::b), 0.1);
}

INSTANTIATE_TEST_SUITE_P(Methods, TrainingParity, testing::Values("lora", "qlora"),
                         [](const auto& info) { return std::string(info.param); });

// The prompts were chosen so that no choice among the 64 tokens is closer than 1e-3.
TEST(GreedyParity, AnswersEqualThoseOfTransformersAndPeft) {
  std::map<std::string, std::vector<json>> by_adapter;
  for (const json& entry : golden_json("greedy.json")) {
    by_adapter[entry.at("adapter").is_null() ? "" : entry.at("adapter").get<std::string>()]
        .push_back(entry);
  }
  ASSERT_EQ(by_adapter.size(), 2U);
  for (const auto& [adapter, cases] : by_adapter) {
    InferenceOptions options;
    options.model_dir = golden("tiny-llama");
    if (!adapter.empty()) options.adapter_dir = golden(adapter);
    options.compute = Compute::kFp32;
    Decoder decoder = load_for_inference(options).value();
    std::vector<Tokens> prompts;
    for (const json& entry : cases) prompts.push_back(entry.at("prompt_ids").get<Tokens>());
    std::vector<Tokens> answers(prompts.size());
    const auto generated =
        generate(decoder, prompts, {.max_new_tokens = 64, .batch = 2, .stop_ids = {}},
                 [&](std::size_t index, const Tokens& answer) { answers[index] = answer; });
    ASSERT_TRUE(generated) << generated.error().message;
    for (std::size_t i = 0; i < cases.size(); ++i) {
      EXPECT_EQ(answers[i], cases[i].at("ids").get<Tokens>())
          << "adapter '" << adapter << "', case " << i;
    }
  }
}

}  // namespace
}  // namespace tunesmith::engine
