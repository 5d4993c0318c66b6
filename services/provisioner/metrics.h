// All metrics of the provisioner.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <cstddef>
#include <string>

namespace tunesmith::provisioner {

// Thread-safe. `registry` outlives it.
class Metrics {
 public:
  explicit Metrics(prometheus::Registry& registry)
      : assigned_(prometheus::BuildGauge()
                      .Name("tunesmith_provisioner_assigned")
                      .Help("Workspaces that have a worker.")
                      .Register(registry)
                      .Add({})),
        waiting_(prometheus::BuildGauge()
                     .Name("tunesmith_provisioner_waiting")
                     .Help("Workspaces that wait for a worker.")
                     .Register(registry)
                     .Add({})),
        cleanups_(prometheus::BuildCounter()
                      .Name("tunesmith_provisioner_cleanups_total")
                      .Help("Clean-ups of deleted Workspaces, by result: done or the reason why it "
                            "is tried again.")
                      .Register(registry)),
        objects_removed_(
            prometheus::BuildCounter()
                .Name("tunesmith_provisioner_objects_removed_total")
                .Help("Adapters and checkpoints of older tuning keys removed after a push.")
                .Register(registry)
                .Add({})) {}

  void slots(std::size_t assigned, std::size_t waiting) {
    assigned_.Set(static_cast<double>(assigned));
    waiting_.Set(static_cast<double>(waiting));
  }
  void cleaned(const std::string& result) { cleanups_.Add({{"result", result}}).Increment(); }
  void objects_removed(std::size_t count) {
    objects_removed_.Increment(static_cast<double>(count));
  }

 private:
  prometheus::Gauge& assigned_;
  prometheus::Gauge& waiting_;
  prometheus::Family<prometheus::Counter>& cleanups_;
  prometheus::Counter& objects_removed_;
};

}  // namespace tunesmith::provisioner
