#include "adapter_result.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "adapter_tar.h"
#include "bus/results.h"

namespace tunesmith::gpu_worker {
namespace {

using events::v1::AdapterReady;

AdapterReady announcement(const RunContext& run, std::uint64_t attempt,
                          const EngineFinished& finished, const std::string& name,
                          const bus::ObjectInfo& object) {
  AdapterReady ready;
  *ready.mutable_workspace() = run.workspace();
  *ready.mutable_plan() = run.plan();
  auto& adapter = *ready.mutable_adapter();
  adapter.set_bucket(run.bucket());
  adapter.set_name(name);
  adapter.set_size_bytes(object.size_bytes);
  adapter.set_sha256(object.sha256);
  adapter.set_attempt(attempt);
  auto& result = *ready.mutable_result();
  result.set_steps(finished.steps);
  result.set_train_loss(finished.train_loss);
  result.set_eval_loss_before(finished.eval_loss_before);
  result.set_eval_loss_after(finished.eval_loss_after);
  result.set_seconds(finished.seconds);
  result.set_tokens(finished.tokens);
  result.set_peak_memory_bytes(finished.peak_memory_bytes);
  return ready;
}

// The result is accepted once: who finds the key taken drops its own object and takes the accepted
// one.
Result<AdapterReady> accept(const RunContext& run, CheckpointStore& checkpoints,
                            AdapterReady ready) {
  const std::string key = bus::result_key(run.workspace().uid(), run.plan().tuning_key());
  auto created = run.parts.results.create(key, bus::encode_result(ready));
  if (!created && created.error().reason != "KeyExists") return tl::unexpected(created.error());
  if (created) {
    if (auto removed = checkpoints.remove_all(); !removed) {
      run.log.warning("checkpoints not removed", {{"reason", removed.error().reason}});
    }
    return ready;
  }
  auto accepted = bus::accepted_result(run.parts.results, run.workspace(), run.plan());
  if (!accepted) return tl::unexpected(accepted.error());
  if (!*accepted) return transient("BusUnavailable", "the result vanished while it was read");
  if ((*accepted)->adapter().name() != ready.adapter().name()) {
    if (auto removed = run.parts.objects.remove(run.bucket(), ready.adapter().name()); !removed) {
      run.log.warning("late adapter not removed", {{"reason", removed.error().reason}});
    }
  }
  return std::move(**accepted);
}

}  // namespace

Result<AdapterReady> store_adapter(const RunContext& run, CheckpointStore& checkpoints,
                                   std::uint64_t attempt, const EngineFinished& finished,
                                   const std::filesystem::path& archive, std::stop_token stop) {
  run.tell_phase("Storing");
  const auto packed =
      run.with_room(stop, [&] { return write_adapter_tar(finished.adapter_dir, archive); });
  if (!packed) return tl::unexpected(packed.error());
  const std::string name = fmt::format("adapter/{}/{}", run.plan().tuning_key(), attempt);
  auto object = run.with_room(
      stop, [&] { return run.parts.objects.put_file(run.bucket(), name, archive, stop); });
  if (!object) return tl::unexpected(object.error());
  run.log.info("adapter stored", {{"object", name}, {"bytes", object->size_bytes}});

  const AdapterReady ready = announcement(run, attempt, finished, name, *object);
  return run.with_room(stop, [&] { return accept(run, checkpoints, ready); });
}

}  // namespace tunesmith::gpu_worker
