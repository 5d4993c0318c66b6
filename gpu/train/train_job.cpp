// From the job's files to the training loop.
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "data/dataset.h"
#include "model/load_decoder.h"
#include "model/parallel.h"
#include "text/tokenizer.h"
#include "train/checkpoint.h"
#include "train/trainer.h"

namespace tunesmith::engine {
namespace {

Result<void> check_tokens(const Dataset& data, const ModelConfig& config) {
  for (const auto* split : {&data.train, &data.eval}) {
    for (const Example& example : *split) {
      for (const std::int32_t token : example.tokens) {
        if (token >= 0 && token < config.vocab_size) continue;
        return permanent("VocabularyMismatch",
                         fmt::format("the tokenizer gives token {}, the model has {}: tokenizer "
                                     "and weights are not of the same model",
                                     token, config.vocab_size));
      }
    }
  }
  return {};
}

DataOptions data_options(const HyperParameters& hyper) {
  DataOptions options;
  options.train_test_split = hyper.train_test_split;
  options.seed = hyper.seed;
  options.max_seq_length = hyper.max_seq_length;
  options.assistant_only_loss = hyper.assistant_only_loss;
  return options;
}

// A checkpoint's compute type goes on, unless the job names another.
Result<Compute> resumed_compute(const Job& job, const TrainState& state) {
  const Compute saved = state.compute == "bf16" ? Compute::kBf16 : Compute::kFp32;
  if (job.compute == Compute::kAuto || job.compute == saved) return saved;
  return permanent("CheckpointMismatch",
                   fmt::format("{} was computed in {}, the job asks for another type",
                               job.resume_from.string(), state.compute));
}

}  // namespace

Result<TrainEnd> train(const Job& job, const EventSink& sink, const std::atomic<bool>& stop) {
  set_threads(job.threads);
  std::optional<TrainState> checkpoint;
  Compute compute = job.compute;
  if (!job.resume_from.empty()) {
    auto read = read_checkpoint(job.resume_from);
    if (!read) return tl::unexpected(read.error());
    auto resumed = resumed_compute(job, *read);
    if (!resumed) return tl::unexpected(resumed.error());
    compute = *resumed;
    checkpoint = std::move(*read);
  }
  auto tokenizer = Tokenizer::load(job.model_dir);
  if (!tokenizer) return tl::unexpected(tokenizer.error());
  auto data = load_dataset(job.data, data_options(job.hyper_parameters), *tokenizer);
  if (!data) return tl::unexpected(data.error());
  auto config = read_model_config(job.model_dir);
  if (!config) return tl::unexpected(config.error());
  if (auto fits = check_tokens(*data, *config); !fits) return tl::unexpected(fits.error());
  auto decoder = load_for_training(job, *config, compute);
  if (!decoder) return tl::unexpected(decoder.error());
  return train_on(job, std::move(*decoder), std::move(*data), std::move(checkpoint), sink, stop);
}

}  // namespace tunesmith::engine
