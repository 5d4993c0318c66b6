// All metrics of the planner.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <string>

namespace tunesmith::planner {

// Thread-safe. `registry` outlives it.
class Metrics {
 public:
  explicit Metrics(prometheus::Registry& registry)
      : plans_(prometheus::BuildCounter()
                   .Name("tunesmith_planner_plans_total")
                   .Help("Plans, by result: made, repeated or the reason of the refusal.")
                   .Register(registry)),
        retries_(prometheus::BuildCounter()
                     .Name("tunesmith_planner_retries_total")
                     .Help("Requests to model hub and data hosts that are tried again, by reason.")
                     .Register(registry)),
        seconds_(
            prometheus::BuildHistogram()
                .Name("tunesmith_planner_preflight_seconds")
                .Help("Time from WorkspaceObserved to the plan or the refusal.")
                .Register(registry)
                .Add({}, prometheus::Histogram::BucketBoundaries{0.1, 0.5, 1, 2, 5, 15, 60, 600})) {
  }

  void plan(const std::string& result) { plans_.Add({{"result", result}}).Increment(); }
  void retry(const std::string& reason) { retries_.Add({{"reason", reason}}).Increment(); }
  void took(double seconds) { seconds_.Observe(seconds); }

 private:
  prometheus::Family<prometheus::Counter>& plans_;
  prometheus::Family<prometheus::Counter>& retries_;
  prometheus::Histogram& seconds_;
};

}  // namespace tunesmith::planner
