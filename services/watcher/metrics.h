// All metrics of the watcher.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <string>

namespace tunesmith::watcher {

// Thread-safe. `registry` outlives it.
class Metrics {
 public:
  explicit Metrics(prometheus::Registry& registry)
      : events_(prometheus::BuildCounter()
                    .Name("tunesmith_watcher_events_total")
                    .Help("Events folded into a status, by event.")
                    .Register(registry)),
        writes_(prometheus::BuildCounter()
                    .Name("tunesmith_watcher_status_writes_total")
                    .Help("Status documents written.")
                    .Register(registry)
                    .Add({})),
        again_(prometheus::BuildCounter()
                   .Name("tunesmith_watcher_reobservations_total")
                   .Help("Workspaces announced again after a silence.")
                   .Register(registry)
                   .Add({})),
        dead_letters_(prometheus::BuildCounter()
                          .Name("tunesmith_watcher_dead_letters_total")
                          .Help("Dead letters, by consumer.")
                          .Register(registry)),
        unfinished_(prometheus::BuildGauge()
                        .Name("tunesmith_watcher_unfinished_workspaces")
                        .Help("Workspaces that are neither finished nor failed nor suspended.")
                        .Register(registry)
                        .Add({})) {}

  void folded(const std::string& token) { events_.Add({{"event", token}}).Increment(); }
  void status_written() { writes_.Increment(); }
  void reobserved() { again_.Increment(); }
  void dead_letter(const std::string& consumer) {
    dead_letters_.Add({{"consumer", consumer}}).Increment();
  }
  void unfinished(std::size_t count) { unfinished_.Set(static_cast<double>(count)); }

 private:
  prometheus::Family<prometheus::Counter>& events_;
  prometheus::Counter& writes_;
  prometheus::Counter& again_;
  prometheus::Family<prometheus::Counter>& dead_letters_;
  prometheus::Gauge& unfinished_;
};

}  // namespace tunesmith::watcher
