#include "bus/topology.h"

#include <algorithm>
#include <chrono>

#include "bus/nats_connection.h"
#include "bus/topology_table.h"

namespace tunesmith::bus {
namespace {

constexpr std::int64_t kNanos = 1'000'000'000;

// What all streams have in common; the caller owns what the pointers lead to.
jsStreamConfig new_config(const char* name, const char* description, int replicas) {
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  config.Name = name;
  config.Description = description;
  config.Retention = js_LimitsPolicy;
  config.Storage = js_FileStorage;
  config.Replicas = replicas;
  return config;
}

Result<void> ensure(NatsClient& client, jsStreamConfig config) {
  const auto patience = NatsClient::kPatience;
  const std::string what = std::string("creating ") + config.Name;
  auto made = client.call(what, patience, [&](jsErrCode* code) {
    return js_AddStream(nullptr, client.jetstream(), &config, nullptr, code);
  });
  if (!made && made.error().code == js_code::kStreamNameInUse) {
    made = client.call("updating " + what, patience, [&](jsErrCode* code) {
      return js_UpdateStream(nullptr, client.jetstream(), &config, nullptr, code);
    });
  }
  if (!made) return tl::unexpected(made.error().failure);
  return {};
}

Result<void> ensure_stream(NatsClient& client, StreamSpec spec, const TopologyOptions& options) {
  jsStreamConfig config = new_config(spec.name, spec.description, options.replicas);
  config.Subjects = spec.subjects.data();
  config.SubjectsLen = static_cast<int>(spec.subjects.size());
  config.MaxAge = spec.max_age_s * kNanos;
  config.MaxBytes = static_cast<std::int64_t>(options.max_stream_bytes) / spec.share;
  config.MaxMsgsPerSubject = spec.max_per_subject;
  config.MaxMsgSize = spec.max_message_bytes;
  config.Duplicates = spec.duplicates_s * kNanos;
  config.NoAck = spec.no_ack;
  config.Discard = js_DiscardOld;  // a full stream drops its oldest messages
  return ensure(client, config);
}

Result<void> ensure_bucket(NatsClient& client, const BucketSpec& spec,
                           const TopologyOptions& options) {
  const std::string name = std::string("KV_") + spec.name;
  const std::string subjects = std::string("$KV.") + spec.name + ".>";
  const char* all_subjects[] = {subjects.c_str()};
  jsStreamConfig config = new_config(name.c_str(), spec.description, options.replicas);
  config.Subjects = all_subjects;
  config.SubjectsLen = 1;
  config.MaxBytes = static_cast<std::int64_t>(options.max_stream_bytes) / spec.share;
  config.MaxMsgsPerSubject = spec.history;
  config.MaxMsgSize = spec.max_value_bytes;
  config.Duplicates = 120 * kNanos;
  config.Discard = js_DiscardNew;  // a full bucket refuses writes
  config.AllowRollup = config.DenyDelete = config.AllowDirect = true;
  return ensure(client, config);
}

}  // namespace

Result<void> init_topology(Connection& connection, const TopologyOptions& options) {
  auto& nats = dynamic_cast<NatsConnection&>(connection);
  NatsClient& client = nats.client();
  TopologyOptions fitting = options;
  if (const std::uint64_t limit_bytes = nats.store_limit_bytes(); limit_bytes != 0) {
    fitting.max_stream_bytes = std::min(options.max_stream_bytes, limit_bytes / 8);
  }
  for (const StreamSpec& spec : stream_table()) {
    if (auto made = ensure_stream(client, spec, fitting); !made) return made;
  }
  for (const BucketSpec& spec : bucket_table()) {
    if (auto made = ensure_bucket(client, spec, fitting); !made) return made;
  }
  return {};
}

}  // namespace tunesmith::bus
