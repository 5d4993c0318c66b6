// The training loop on a small random model: it learns, and a run that was interrupted at any step
// goes on to the same losses and the same adapter bytes.
#include "train/trainer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "formats/test_folder.h"
#include "model/tiny_model.h"

namespace tunesmith::engine {
namespace {

struct TrainRun {
  std::vector<Event> events;
  Result<TrainEnd> end = TrainEnd::kFinished;

  template <typename T>
  std::vector<T> all() const {
    std::vector<T> out;
    for (const Event& event : events) {
      if (const T* found = std::get_if<T>(&event)) out.push_back(*found);
    }
    return out;
  }
  std::vector<double> losses() const {
    std::vector<double> out;
    for (const Progress& progress : all<Progress>()) out.push_back(progress.loss);
    return out;
  }
};

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class TrainerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::write_tiny_model(model_.path());
    HyperParameters& hyper = job_.hyper_parameters;
    hyper.lora_rank = 4;
    hyper.lora_alpha = 8;
    hyper.lora_dropout = 0.1;
    hyper.max_steps = 8;
    hyper.per_device_train_batch_size = 2;
    hyper.gradient_accumulation_steps = 2;
    hyper.learning_rate = 2e-2;
    hyper.weight_decay = 0.01;
    hyper.warmup_steps = 1;
    hyper.max_seq_length = 48;
    hyper.eval_steps = 3;
  }

  // Documents of one repeated pattern with noise: there is something to learn.
  static Dataset dataset() {
    Dataset data;
    for (std::uint64_t i = 0; i < 15; ++i) {
      PackedSequence document = testing::random_document(12 + 2 * i, i);
      for (std::size_t t = 0; t < document.tokens.size(); t += 2) document.tokens[t] = 7;
      (i < 12 ? data.train : data.eval).push_back({document.tokens, document.is_target});
    }
    return data;
  }

  Decoder decoder() {
    const HyperParameters& hyper = job_.hyper_parameters;
    AdapterConfig config;
    config.r = hyper.lora_rank;
    config.lora_alpha = hyper.lora_alpha;
    config.lora_dropout = hyper.lora_dropout;
    WeightOptions options;
    options.elem = elem_;
    options.method = Method::kQlora;
    Decoder made = testing::load_tiny_model(model_.path(), config, options);
    initialise(made.lora(), hyper.seed);
    made.adapter_changed();
    return made;
  }

  // Interrupted once `stop_at` steps were reported (0: never).
  TrainRun run(const TestFolder& work, std::uint64_t stop_at = 0,
               std::optional<TrainState> checkpoint = std::nullopt, Dataset data = dataset()) {
    job_.work_dir = work.path();
    TrainRun out;
    std::atomic<bool> stop = false;
    out.end = train_on(
        job_, decoder(), std::move(data), std::move(checkpoint),
        [&](const Event& event) {
          out.events.push_back(event);
          const Progress* progress = std::get_if<Progress>(&event);
          if (progress != nullptr && progress->step == stop_at) stop = true;
        },
        stop);
    return out;
  }

  TestFolder model_;
  Job job_;
  Elem elem_ = Elem::kF32;
};

TEST_F(TrainerTest, LearnsAndSaysSo) {
  const TestFolder work;
  job_.hyper_parameters.max_steps = 24;
  const TrainRun whole = run(work);
  ASSERT_TRUE(whole.end);
  EXPECT_EQ(*whole.end, TrainEnd::kFinished);
  const Started started = whole.all<Started>().at(0);
  EXPECT_EQ(started.total_steps, 24U);
  EXPECT_EQ(started.train_examples, 12U);
  EXPECT_EQ(started.compute, "fp32");
  const auto finished = whole.all<Finished>().at(0);
  EXPECT_LT(*finished.eval_loss_after, 0.8 * *finished.eval_loss_before);
  EXPECT_EQ(whole.losses().size(), 24U);
  const auto evaluated = whole.all<Evaluated>();
  ASSERT_EQ(evaluated.size(), 9U);  // before, after 3 … 21 steps, at the end
  EXPECT_EQ(evaluated.front().step, 0U);
  EXPECT_EQ(evaluated.front().loss, *finished.eval_loss_before);
  EXPECT_EQ(evaluated.back().step, 24U);
  EXPECT_EQ(read_adapter(finished.adapter_dir).value().modules.size(), 14U);
}

class ResumeTest : public TrainerTest, public ::testing::WithParamInterface<Elem> {};

TEST_F(TrainerTest, TimeSpentOnEvaluationIsNotTimeOfSteps) {
  const TestFolder work;
  for (const Progress& progress : run(work).all<Progress>()) {
    EXPECT_GT(progress.tokens_per_second, 0) << "step " << progress.step;
    EXPECT_GE(progress.eta_seconds, 0) << "step " << progress.step;
  }
}

TEST_P(ResumeTest, GivesTheSameLossesAndAdapterBytes) {
  elem_ = GetParam();
  const TestFolder whole_work;
  const TrainRun whole = run(whole_work);
  const std::string expected = bytes_of(whole_work.path() / "adapter/adapter_model.safetensors");
  ASSERT_FALSE(expected.empty());
  for (const std::uint64_t stop_at : {1, 3, 7}) {
    const TestFolder work;
    const TrainRun first = run(work, stop_at);
    ASSERT_EQ(first.end.value(), TrainEnd::kInterrupted);
    EXPECT_EQ(first.all<Interrupted>().at(0).step, stop_at);
    EXPECT_FALSE(std::filesystem::exists(work.path() / "adapter"));
    const auto path = first.all<CheckpointFile>().back().path;
    const TrainRun second = run(work, 0, read_checkpoint(path).value());
    EXPECT_EQ(second.all<Started>().at(0).resumed_step, stop_at);
    std::vector<double> losses = first.losses();
    const std::vector<double> rest = second.losses();
    losses.insert(losses.end(), rest.begin(), rest.end());
    EXPECT_EQ(losses, whole.losses()) << "stopped at " << stop_at;
    EXPECT_EQ(bytes_of(work.path() / "adapter/adapter_model.safetensors"), expected);
    const Finished finished = second.all<Finished>().at(0);
    EXPECT_EQ(finished.train_loss, whole.all<Finished>().at(0).train_loss);
    EXPECT_EQ(finished.eval_loss_before, whole.all<Finished>().at(0).eval_loss_before);
    EXPECT_EQ(finished.tokens, whole.all<Finished>().at(0).tokens);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, ResumeTest, ::testing::Values(Elem::kF32, Elem::kBf16),
                         [](const auto& info) {
                           return info.param == Elem::kF32 ? "Fp32" : "Bf16";
                         });

// One step's gradient is the mean over its target tokens, however the step is cut.
TEST_F(TrainerTest, MicroBatchesDoNotChangeTheStep) {
  job_.hyper_parameters.lora_dropout = 0;
  const TestFolder one;
  const TrainRun accumulated = run(one);
  job_.hyper_parameters.per_device_train_batch_size = 4;
  job_.hyper_parameters.gradient_accumulation_steps = 1;
  const TestFolder two;
  const TrainRun at_once = run(two);
  ASSERT_EQ(accumulated.losses().size(), at_once.losses().size());
  for (std::size_t i = 0; i < at_once.losses().size(); ++i) {
    EXPECT_NEAR(accumulated.losses()[i], at_once.losses()[i], 1e-4);
  }
}

TEST_F(TrainerTest, ClippingBoundsTheStep) {
  job_.hyper_parameters.max_grad_norm = 1e-9;
  job_.hyper_parameters.adam_epsilon = 1;  // so that the step's size follows the gradient's
  const TestFolder work;
  const TrainRun clipped = run(work);
  EXPECT_GT(clipped.all<Progress>().at(0).grad_norm, 1e-3) << "reported before clipping";
  const auto finished = clipped.all<Finished>().at(0);
  EXPECT_NEAR(*finished.eval_loss_after, *finished.eval_loss_before, 1e-6);
}

TEST_F(TrainerTest, LossThatIsNoNumberStopsWithTheStepNamed) {
  job_.hyper_parameters.learning_rate = 1e30;
  job_.hyper_parameters.warmup_steps = 0;
  job_.hyper_parameters.eval_steps = 0;
  const TestFolder work;
  const TrainRun broken = run(work);
  ASSERT_FALSE(broken.end);
  EXPECT_EQ(broken.end.error().failure_class, FailureClass::kPermanent);
  EXPECT_EQ(broken.end.error().reason, "LossNotFinite");
  EXPECT_NE(broken.end.error().message.find("step 2"), std::string::npos)
      << broken.end.error().message;
  EXPECT_FALSE(std::filesystem::exists(work.path() / "adapter"));
}

TEST_F(TrainerTest, CheckpointOfAnotherJobOrOtherDataIsRefused) {
  const TestFolder work;
  const TrainRun first = run(work, 2);
  const TrainState state = read_checkpoint(first.all<CheckpointFile>().back().path).value();
  Dataset other = dataset();
  other.train[0].tokens[1] = 9;
  EXPECT_EQ(run(work, 0, state, std::move(other)).end.error().reason, "CheckpointMismatch");
  job_.hyper_parameters.learning_rate = 1e-3;
  EXPECT_EQ(run(work, 0, state).end.error().reason, "CheckpointMismatch");
}

TEST_F(TrainerTest, NoStepsAreAFailure) {
  job_.hyper_parameters.max_steps = 0;
  job_.hyper_parameters.num_train_epochs = 0;
  const TestFolder work;
  EXPECT_EQ(run(work).end.error().reason, "NothingToTrain");
}

TEST(Checkpoint, ComesBackExactlyAndTheNewestTwoAreKept) {
  const TestFolder folder;
  TrainState state;
  state.parameters = {1.5F, -0.0F, 1e-40F};
  state.first_moment = {0.1F, 0.2F, 0.3F};
  state.second_moment = {1, 2, 3};
  state.loss_sum = 0.1 + 0.2;
  state.tokens = 1ULL << 53;
  state.eval_loss_before = 1.0 / 3;
  state.compute = "bf16";
  state.fingerprint = "a b";
  for (const std::uint64_t step : {9, 10, 11}) {
    state.step = step;
    ASSERT_TRUE(write_checkpoint(folder.path(), state));
  }
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "checkpoint-9.safetensors"));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "checkpoint-10.safetensors"));
  const auto back = read_checkpoint(folder.path() / "checkpoint-11.safetensors");
  ASSERT_TRUE(back);
  EXPECT_EQ(back->step, 11U);
  EXPECT_EQ(back->parameters, state.parameters);
  EXPECT_EQ(back->second_moment, state.second_moment);
  EXPECT_EQ(back->loss_sum, state.loss_sum);
  EXPECT_EQ(back->tokens, state.tokens);
  EXPECT_EQ(back->eval_loss_before, state.eval_loss_before);
  EXPECT_EQ(back->fingerprint, state.fingerprint);
}

TEST(Checkpoint, WhatIsNoCheckpointIsRefused) {
  const TestFolder folder;
  EXPECT_EQ(read_checkpoint(folder.path() / "none").error().reason, "CheckpointMissing");
  std::ofstream(folder.path() / "text") << "not a checkpoint";
  EXPECT_EQ(read_checkpoint(folder.path() / "text").error().reason, "CheckpointInvalid");
  testing::write_tiny_model(folder.path());
  EXPECT_EQ(read_checkpoint(folder.path() / "model.safetensors").error().reason,
            "CheckpointInvalid");
}

TEST(CheckpointWriter, WritesBesideTheCaller) {
  const TestFolder folder;
  CheckpointWriter writer(folder.path() / "checkpoints");
  EXPECT_FALSE(writer.finish());
  TrainState state;
  state.step = 4;
  writer.start(state);
  EXPECT_TRUE(writer.busy());
  const auto written = writer.finish();
  ASSERT_TRUE(written && *written);
  EXPECT_EQ((*written)->step, 4U);
  EXPECT_GT((*written)->size_bytes, 0U);
  EXPECT_FALSE(writer.busy());
}

TEST(CheckpointWriter, TellsOfAFullOrForbiddenDisk) {
  const TestFolder folder;
  std::ofstream(folder.path() / "file") << "in the way";
  CheckpointWriter writer(folder.path() / "file");
  writer.start({});
  const auto written = writer.finish();
  ASSERT_TRUE(written);
  EXPECT_EQ(written->error().reason, "DiskFull");
  EXPECT_EQ(written->error().failure_class, FailureClass::kTransient);
}

TEST(Events, AreTheLinesOfTheReadme) {
  Finished finished;
  finished.steps = 3;
  finished.adapter_dir = "/w/adapter";
  const auto line = nlohmann::json::parse(to_json_line(finished));
  EXPECT_EQ(line["event"], "finished");
  EXPECT_EQ(line["steps"], 3);
  EXPECT_TRUE(line["eval_loss_before"].is_null());
  const auto failed = nlohmann::json::parse(
      to_json_line(Failure{FailureClass::kTransient, "DiskFull", "bad \xff byte"}));
  EXPECT_EQ(failed["event"], "failed");
  EXPECT_EQ(failed["class"], "Transient");
  EXPECT_EQ(failed["reason"], "DiskFull");
}

}  // namespace
}  // namespace tunesmith::engine
