// What this process gives to every run.
#pragma once

#include "bus/event.h"
#include "bus/key_value.h"
#include "bus/log_stream.h"
#include "bus/object_store.h"
#include "file_cache.h"
#include "image_data.h"
#include "metrics.h"
#include "runtime/clock.h"
#include "worker_options.h"

namespace tunesmith::gpu_worker {

// What a run works with. All outlive it.
struct WorkerParts {
  bus::Publisher& publisher;
  bus::KeyValue& current;
  bus::KeyValue& leases;
  bus::KeyValue& results;
  bus::ObjectStore& objects;
  bus::LogStream& logs;
  const FileCache& models;   // from the hub
  const FileCache& data;     // from wherever the user's URLs lead
  const FileCache& volumes;  // from folders of this machine
  const ImageData& images;
  const Clock& clock;
  Metrics& metrics;
  const WorkerOptions& options;
};

}  // namespace tunesmith::gpu_worker
