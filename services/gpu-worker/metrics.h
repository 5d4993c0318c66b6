// All metrics of the gpu-worker.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>

namespace tunesmith::gpu_worker {

// Thread-safe.
class Metrics {
 public:
  explicit Metrics(prometheus::Registry& registry)
      : runs_(prometheus::BuildCounter()
                  .Name("tunesmith_worker_runs_total")
                  .Help("Trainings that ended, by outcome (succeeded, failed, stopped)")
                  .Register(registry)),
        attempts_(prometheus::BuildCounter()
                      .Name("tunesmith_worker_attempts_total")
                      .Help("Engine attempts that ended, by how (finished or the failure's reason)")
                      .Register(registry)),
        downloaded_bytes_(prometheus::BuildCounter()
                              .Name("tunesmith_worker_downloaded_bytes_total")
                              .Help("Bytes of models and data fetched into the cache")
                              .Register(registry)
                              .Add({})),
        busy_(prometheus::BuildGauge()
                  .Name("tunesmith_worker_busy")
                  .Help("1 while this worker works on a Workspace")
                  .Register(registry)
                  .Add({})) {}

  void run_ended(const std::string& outcome) { runs_.Add({{"outcome", outcome}}).Increment(); }
  void attempt_ended(const std::string& how) { attempts_.Add({{"how", how}}).Increment(); }
  void downloaded(std::uint64_t bytes) { downloaded_bytes_.Increment(static_cast<double>(bytes)); }
  void set_busy(bool busy) { busy_.Set(busy ? 1 : 0); }

 private:
  prometheus::Family<prometheus::Counter>& runs_;
  prometheus::Family<prometheus::Counter>& attempts_;
  prometheus::Counter& downloaded_bytes_;
  prometheus::Gauge& busy_;
};

}  // namespace tunesmith::gpu_worker
