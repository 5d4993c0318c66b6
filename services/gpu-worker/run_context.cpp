#include "run_context.h"

#include "bus/event.h"

namespace tunesmith::gpu_worker {

using events::v1::TuningProgressed;

bool lacks_room(const Failure& failure) {
  return failure.failure_class == FailureClass::kTransient &&
         (failure.reason == "DiskFull" || failure.reason == "StorageFull");
}

void RunContext::tell_phase(const char* phase) const {
  TuningProgressed change;
  change.set_phase(phase);
  progress.update(change);
}

void RunContext::tell_waiting(const Failure& why) const {
  TuningProgressed change;
  *change.mutable_waiting() = bus::to_proto(why);
  progress.update(change);
}

}  // namespace tunesmith::gpu_worker
