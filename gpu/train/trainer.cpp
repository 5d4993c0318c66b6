#include "train/trainer.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include "data/rng.h"
#include "model/decoder.h"
#include "model/parallel.h"
#include "train/checkpoint.h"
#include "train/loss_guard.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/step_plan.h"

namespace tunesmith::engine {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kAliveEverySeconds = 10;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::uint64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

// What a checkpoint must have in common with the job that continues it.
std::string fingerprint_of(const Job& job, const ModelConfig& config, std::uint64_t data_digest) {
  const HyperParameters& h = job.hyper_parameters;
  std::string targets;
  for (const std::string& target : h.target_modules) targets += target + ",";
  return fmt::format(
      "method={} model={}/{}/{}/{} data={:016x} lora={}/{}/{}/{}/{} dq={} epochs={} steps={} "
      "batch={}x{} lr={}/{}/{}/{} adamw={}/{}/{}/{} clip={} seed={} shuffle={} length={} pack={}",
      static_cast<int>(job.method), config.model_type, config.hidden_size, config.num_hidden_layers,
      config.vocab_size, data_digest, h.lora_rank, h.lora_alpha, h.lora_dropout, h.use_rslora,
      targets, h.double_quantization, h.num_train_epochs, h.max_steps,
      h.per_device_train_batch_size, h.gradient_accumulation_steps, h.learning_rate,
      h.lr_scheduler_type, h.warmup_steps, h.warmup_ratio, h.weight_decay, h.adam_beta1,
      h.adam_beta2, h.adam_epsilon, h.max_grad_norm, h.seed, h.shuffle_dataset, h.max_seq_length,
      h.packing);
}

class Trainer {
 public:
  Trainer(const Job& job, const EventSink& sink, const std::atomic<bool>& stop, Decoder decoder,
          Dataset data)
      : job_(job),
        hyper_(job.hyper_parameters),
        sink_(sink),
        stop_(stop),
        decoder_(std::move(decoder)),
        data_(std::move(data)),
        plan_(data_.train, hyper_),
        eval_(pack_best_fit(data_.eval, hyper_.max_seq_length)),
        writer_(job.work_dir / "checkpoints") {}

  Result<TrainEnd> run(std::optional<TrainState> checkpoint) {
    if (plan_.total_steps() == 0) {
      return permanent("NothingToTrain", "num_train_epochs and max_steps give no step at all");
    }
    if (auto begun = begin(std::move(checkpoint)); !begun) return tl::unexpected(begun.error());
    if (state_.step == 0 && !eval_.empty()) {
      state_.eval_loss_before = evaluate();
      if (stop_) return interrupt();
      say(Evaluated{0, *state_.eval_loss_before});
    }
    last_checkpoint_ = window_begin_ = Clock::now();
    paused_ = 0;
    while (state_.step < plan_.total_steps()) {
      auto whole = step();
      if (!whole) return tl::unexpected(whole.error());
      if (!*whole) return interrupt();
      report();
      if (auto saved = checkpoint_if_due(); !saved) return tl::unexpected(saved.error());
      if (evaluation_due()) {
        const double loss = evaluate();
        if (!stop_) say(Evaluated{state_.step, loss});
      }
    }
    return finish();
  }

 private:
  Result<void> begin(std::optional<TrainState> checkpoint) {
    Lora& lora = decoder_.lora();
    const std::string fingerprint = fingerprint_of(job_, decoder_.config(), plan_.digest());
    if (checkpoint) {
      if (checkpoint->fingerprint != fingerprint ||
          checkpoint->parameters.size() != lora.parameters.size()) {
        return permanent(
            "CheckpointMismatch",
            fmt::format("{} is of another job: it has '{}', this job '{}'",
                        job_.resume_from.string(), checkpoint->fingerprint, fingerprint));
      }
      state_ = std::move(*checkpoint);
      lora.parameters = std::exchange(state_.parameters, {});
      decoder_.adapter_changed();
    } else {
      state_.first_moment.assign(lora.parameters.size(), 0.0F);
      state_.second_moment.assign(lora.parameters.size(), 0.0F);
      state_.compute = compute_name(decoder_.elem());
      state_.fingerprint = fingerprint;
    }
    first_step_ = state_.step;
    say(started());
    return {};
  }

  Started started() const {
    Started event;
    event.total_steps = plan_.total_steps();
    event.train_examples = data_.train.size();
    event.eval_examples = data_.eval.size();
    event.dropped_examples = data_.report.dropped_rows;
    for (const Example& example : data_.train) {
      event.train_tokens += example.tokens.size();
      for (const std::uint8_t target : example.is_target) event.target_tokens += target;
    }
    event.trainable_parameters = decoder_.lora().parameters.size();
    event.resumed_step = state_.step;
    event.compute = state_.compute;
    return event;
  }

  void say(const Event& event) {
    said_ = Clock::now();
    sink_(event);
  }

  // Whoever listens takes long silence for a hang; a long step or evaluation is none.
  void say_alive(const char* phase) {
    if (seconds_since(said_) >= kAliveEverySeconds) say(Alive{state_.step, phase});
  }

  // One optimizer step. False when it was given up because of `stop`: then nothing has changed.
  Result<bool> step() {
    Lora& lora = decoder_.lora();
    std::vector<Batch> batches;
    std::int64_t targets = 0;
    for (const StepPlan::Sequences& sequences : plan_.passes(state_.step)) {
      batches.push_back(make_batch(sequences));
      targets += static_cast<std::int64_t>(batches.back().targets.size());
    }
    std::ranges::fill(lora.gradients, 0.0F);
    double loss = 0;
    std::uint64_t tokens = 0;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      if (stop_) return false;
      say_alive("Training");
      TrainOptions options;
      options.grad_scale = 1.0 / static_cast<double>(targets);
      options.dropout_seed = Rng(hyper_.seed, RngStream::kDropout, state_.step * 4096 + i).next();
      options.recompute = hyper_.gradient_checkpointing;
      loss += decoder_.train(batches[i], options).loss;
      tokens += static_cast<std::uint64_t>(batches[i].size());
    }
    if (stop_) return false;
    loss /= static_cast<double>(targets);
    grad_norm_ = l2_norm(decoder_.kernels(), lora.gradients);
    if (auto sound = check_loss(state_.step + 1, loss, grad_norm_, decoder_.config().vocab_size,
                                state_.high_loss_steps);
        !sound) {
      return tl::unexpected(sound.error());
    }
    update();
    ++state_.step;
    state_.tokens += tokens;
    state_.loss_sum += loss;
    state_.window_loss_sum += loss;
    state_.window_tokens += tokens;
    ++state_.window_steps;
    return true;
  }

  void update() {
    Lora& lora = decoder_.lora();
    // As torch.nn.utils.clip_grad_norm_.
    const double clip =
        hyper_.max_grad_norm > 0 ? std::min(1.0, hyper_.max_grad_norm / (grad_norm_ + 1e-6)) : 1.0;
    learning_rate_ = learning_rate(hyper_, plan_.total_steps(), state_.step);
    adamw_step(decoder_.kernels(), hyper_, learning_rate_, state_.step + 1, clip, lora.gradients,
               lora.parameters, state_.first_moment, state_.second_moment);
    decoder_.adapter_changed();
  }

  void report() {
    const bool last = state_.step == plan_.total_steps();
    const bool due = hyper_.logging_steps > 0 && state_.step % hyper_.logging_steps == 0;
    if (!due && !last) return;
    // Times are of this process alone: a resumed run's first window is shorter than its steps.
    const double elapsed = seconds_since(window_begin_) - paused_;
    const auto steps_here = static_cast<double>(state_.step - first_step_);
    training_seconds_ += elapsed;
    Progress event;
    event.step = state_.step;
    event.total_steps = plan_.total_steps();
    event.epoch = plan_.epoch_of(state_.step);
    event.loss = state_.window_loss_sum / static_cast<double>(state_.window_steps);
    event.learning_rate = learning_rate_;
    event.grad_norm = grad_norm_;
    event.tokens_per_second = static_cast<double>(state_.window_tokens) / elapsed;
    event.eta_seconds =
        training_seconds_ / steps_here * static_cast<double>(plan_.total_steps() - state_.step);
    event.peak_memory_bytes = peak_memory_bytes();
    say(event);
    state_.window_loss_sum = 0;
    state_.window_steps = state_.window_tokens = 0;
    window_begin_ = Clock::now();
    paused_ = 0;
  }

  bool evaluation_due() const {
    return !eval_.empty() && hyper_.eval_steps > 0 && state_.step % hyper_.eval_steps == 0 &&
           state_.step < plan_.total_steps();
  }

  // Mean over all target tokens of the evaluation split. Meaningless once `stop` is set.
  double evaluate() {
    const Clock::time_point begin = Clock::now();
    StepPlan::Sequences sequences;
    for (const PackedSequence& sequence : eval_) sequences.push_back(&sequence);
    LossSum sum;
    for (const auto& pass : cut_into_passes(
             sequences, std::size_t{hyper_.per_device_eval_batch_size} * hyper_.max_seq_length)) {
      if (stop_) break;
      say_alive("Evaluating");
      const LossSum part = decoder_.evaluate(make_batch(pass));
      sum.loss += part.loss;
      sum.targets += part.targets;
    }
    paused_ += seconds_since(begin);
    return sum.loss / static_cast<double>(sum.targets);
  }

  TrainState snapshot() const {
    TrainState copy = state_;
    copy.parameters = decoder_.lora().parameters;
    return copy;
  }

  Result<void> announce(std::optional<Result<CheckpointFile>> written) {
    if (!written) return {};
    if (!*written) return tl::unexpected(written->error());
    say(**written);
    return {};
  }

  Result<void> checkpoint_if_due() {
    if (auto told = announce(writer_.poll()); !told) return told;
    const bool due = job_.checkpoint_interval_seconds > 0 && !writer_.busy() &&
                     state_.step < plan_.total_steps() &&
                     seconds_since(last_checkpoint_) >= job_.checkpoint_interval_seconds;
    if (!due) return {};
    last_checkpoint_ = Clock::now();
    writer_.start(snapshot());
    return {};
  }

  Result<TrainEnd> interrupt() {
    if (auto told = announce(writer_.finish()); !told) return tl::unexpected(told.error());
    auto written = write_checkpoint(job_.work_dir / "checkpoints", snapshot());
    if (!written) return tl::unexpected(written.error());
    say(*written);
    say(Interrupted{state_.step});
    return TrainEnd::kInterrupted;
  }

  Result<TrainEnd> finish() {
    Finished event;
    if (!eval_.empty()) {
      event.eval_loss_after = evaluate();
      if (stop_) return interrupt();
      say(Evaluated{state_.step, *event.eval_loss_after});
    }
    if (auto told = announce(writer_.finish()); !told) return tl::unexpected(told.error());
    event.adapter_dir = job_.work_dir / "adapter";
    if (auto w = write_adapter(event.adapter_dir, to_adapter(decoder_.lora())); !w) {
      return tl::unexpected(w.error());
    }
    event.steps = state_.step;
    event.train_loss = state_.loss_sum / static_cast<double>(state_.step);
    event.eval_loss_before = state_.eval_loss_before;
    event.seconds = seconds_since(begin_);
    event.tokens = state_.tokens;
    event.peak_memory_bytes = peak_memory_bytes();
    say(event);
    return TrainEnd::kFinished;
  }

  const Job& job_;
  const HyperParameters& hyper_;
  const EventSink& sink_;
  const std::atomic<bool>& stop_;
  Decoder decoder_;
  Dataset data_;
  StepPlan plan_;
  std::vector<PackedSequence> eval_;
  CheckpointWriter writer_;
  TrainState state_;  // parameters stay empty: they live in the decoder
  std::uint64_t first_step_ = 0;
  double grad_norm_ = 0;
  double learning_rate_ = 0;
  double training_seconds_ = 0;
  double paused_ = 0;  // evaluation within the window
  Clock::time_point begin_ = Clock::now();
  Clock::time_point window_begin_ = begin_;
  Clock::time_point last_checkpoint_ = begin_;
  Clock::time_point said_ = begin_;
};

}  // namespace

Result<TrainEnd> train_on(const Job& job, Decoder decoder, Dataset data,
                          std::optional<TrainState> checkpoint, const EventSink& sink,
                          const std::atomic<bool>& stop) {
  return Trainer(job, sink, stop, std::move(decoder), std::move(data)).run(std::move(checkpoint));
}

}  // namespace tunesmith::engine
