// All metrics of the image-builder.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <string>

namespace tunesmith::image_builder {

// Thread-safe. `registry` outlives it.
class Metrics {
 public:
  explicit Metrics(prometheus::Registry& registry)
      : checks_(prometheus::BuildCounter()
                    .Name("tunesmith_image_builder_output_checks_total")
                    .Help("Checks of an output repository, by result: cleared or the reason.")
                    .Register(registry)),
        pushes_(prometheus::BuildCounter()
                    .Name("tunesmith_image_builder_pushes_total")
                    .Help("Images, by result: pushed, present or the reason of the failure.")
                    .Register(registry)),
        waits_(prometheus::BuildCounter()
                   .Name("tunesmith_image_builder_waits_total")
                   .Help("Waits before a retry, by reason.")
                   .Register(registry)),
        bytes_(prometheus::BuildCounter()
                   .Name("tunesmith_image_builder_pushed_bytes_total")
                   .Help("Bytes of all images pushed.")
                   .Register(registry)
                   .Add({})),
        seconds_(prometheus::BuildHistogram()
                     .Name("tunesmith_image_builder_push_seconds")
                     .Help("From AdapterReady to ImagePushed.")
                     .Register(registry)
                     .Add({}, prometheus::Histogram::BucketBoundaries{0.5, 1, 2, 5, 10, 30, 60, 300,
                                                                      1800, 7200})) {}

  void output_checked(const std::string& result) { checks_.Add({{"result", result}}).Increment(); }
  void push_ended(const std::string& result) { pushes_.Add({{"result", result}}).Increment(); }
  void waited(const std::string& reason) { waits_.Add({{"reason", reason}}).Increment(); }
  void pushed(double bytes, double seconds) {
    bytes_.Increment(bytes);
    seconds_.Observe(seconds);
  }

 private:
  prometheus::Family<prometheus::Counter>& checks_;
  prometheus::Family<prometheus::Counter>& pushes_;
  prometheus::Family<prometheus::Counter>& waits_;
  prometheus::Counter& bytes_;
  prometheus::Histogram& seconds_;
};

}  // namespace tunesmith::image_builder
