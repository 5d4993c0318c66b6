// Fine-tuning of one adapter, from the job to the adapter's folder.
#pragma once

#include <atomic>
#include <optional>

#include "data/dataset.h"
#include "failure.h"
#include "formats/job.h"
#include "model/decoder.h"
#include "train/checkpoint.h"
#include "train/events.h"

namespace tunesmith::engine {

enum class TrainEnd { kFinished, kInterrupted };

// Runs the job on the calling thread (and the engine's threads; set_threads is called here). Events
// go to `sink` in order, on the calling thread, all but `failed`. When `stop` becomes true the run
// ends after the pass under way, with a checkpoint of the last whole step. Failures: those of the
// model, data and adapter; LossNotFinite, LossExploded, CheckpointMismatch, NothingToTrain,
// VocabularyMismatch (permanent); DiskFull (transient). Throws std::bad_alloc when the memory
// does not suffice.
Result<TrainEnd> train(const Job& job, const EventSink& sink, const std::atomic<bool>& stop);

// The loop itself, for a decoder and data that are at hand; of the job only hyper_parameters,
// work_dir, method and checkpoint_interval_seconds are read.
Result<TrainEnd> train_on(const Job& job, Decoder decoder, Dataset data,
                          std::optional<TrainState> checkpoint, const EventSink& sink,
                          const std::atomic<bool>& stop);

}  // namespace tunesmith::engine
