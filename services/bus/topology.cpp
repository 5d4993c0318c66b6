#include "bus/topology.h"

#include <array>
#include <chrono>

#include "bus/nats_connection.h"

namespace tunesmith::bus {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kHour = 3'600 * kSecond;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int32_t kLargestEvent =
    1
    << 20;  // 256 KiB payload is publish()'s own bound; the rest is room for dead letters' headers

constexpr std::int32_t kLargestLogMessage = 66 << 10;  // kLargestLogBatch and its headers

struct StreamSpec {
  const char* name;
  const char* description;
  std::vector<const char*> subjects;
  std::int64_t max_age = 0;
  std::int64_t max_bytes = -1;
  std::int64_t max_per_subject = -1;
  std::int64_t duplicates = 120 * kSecond;
  std::int32_t max_message = kLargestEvent;
  bool no_ack = false;
  bool key_value = false;
};

// Shares of max_stream_bytes: what the other streams and buckets may take beside TUNESMITH itself.
std::vector<StreamSpec> streams(std::int64_t bytes) {
  return {
      {.name = kStream,
       .description = "every event: transport, audit trail, history",
       .subjects = {"tunesmith.v1.>"},
       .max_age = 30 * kDay,
       .max_bytes = bytes,
       .duplicates = 600 * kSecond},
      {.name = kDeadLetterStream,
       .description = "events nobody could handle, with the reason",
       .subjects = {"tunesmith.dlq.>"},
       .max_age = 90 * kDay,
       .max_bytes = bytes / 8,
       .duplicates = 600 * kSecond},
      {.name = kAdvisoryStream,
       .description = "what the server says of exhausted and terminated deliveries, and which were "
                      "handed back by a stopping service",
       .subjects = {"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
                    "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>", "tunesmith.handback.>"},
       .max_age = 7 * kDay,
       .max_bytes = bytes / 32,
       .no_ack = true},
      {.name = kLogStream,
       .description = "the last log lines of workers, per uid",
       .subjects = {"tunesmith.logs.v1.>"},
       .max_age = 7 * kDay,
       .max_bytes = bytes / 4,
       .max_per_subject = 10'000,
       .max_message = kLargestLogMessage},
  };
}

struct BucketSpec {
  const char* name;
  const char* description;
  std::int64_t history = 1;
  std::int64_t share = 16;  // of max_stream_bytes: 1/share
  std::int32_t max_value = 1 << 20;
};

constexpr std::array<BucketSpec, 7> kBuckets = {{
    {bucket::kWorkspaces, "specs and ConfigMaps (CLI), status (watcher)", 5, 4},
    {bucket::kCurrent, "which generation counts (watcher)", 1, 32, 4 << 10},
    {bucket::kPlans, "plans, create-only (planner)", 1, 8},
    {bucket::kLeases, "who works on what (gpu-worker)", 1, 32, 4 << 10},
    {bucket::kResults, "accepted results, create-only (gpu-worker)", 1, 16, 64 << 10},
    {bucket::kRendezvous, "address of rank 0 (gpu-worker)", 1, 32, 4 << 10},
    {bucket::kInventory, "nodes, slots and queue (provisioner)", 5, 16},
}};

Result<void> ensure(NatsClient& client, StreamSpec spec, int replicas) {
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  config.Name = spec.name;
  config.Description = spec.description;
  config.Subjects = spec.subjects.data();
  config.SubjectsLen = static_cast<int>(spec.subjects.size());
  config.Retention = js_LimitsPolicy;
  config.Storage = js_FileStorage;
  config.MaxAge = spec.max_age;
  config.MaxBytes = spec.max_bytes;
  config.MaxMsgsPerSubject = spec.max_per_subject;
  config.MaxMsgSize = spec.max_message;
  config.Duplicates = spec.duplicates;
  config.Replicas = replicas;
  config.NoAck = spec.no_ack;
  // A full bucket refuses writes; a full stream drops its oldest messages.
  config.Discard = spec.key_value ? js_DiscardNew : js_DiscardOld;
  config.AllowRollup = config.DenyDelete = config.AllowDirect = spec.key_value;

  const auto patience = NatsClient::kPatience;
  const std::string what = std::string("creating ") + spec.name;
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

}  // namespace

Result<void> init_topology(Connection& connection, const TopologyOptions& options) {
  NatsClient& client = dynamic_cast<NatsConnection&>(connection).client();
  const auto bytes = static_cast<std::int64_t>(options.max_stream_bytes);
  for (const StreamSpec& spec : streams(bytes)) {
    if (auto made = ensure(client, spec, options.replicas); !made) return made;
  }
  for (const BucketSpec& spec : kBuckets) {
    const std::string name = std::string("KV_") + spec.name;
    const std::string subjects = std::string("$KV.") + spec.name + ".>";
    StreamSpec stream{.name = name.c_str(),
                      .description = spec.description,
                      .subjects = {subjects.c_str()},
                      .max_bytes = bytes / spec.share,
                      .max_per_subject = spec.history,
                      .max_message = spec.max_value,
                      .key_value = true};
    if (auto made = ensure(client, stream, options.replicas); !made) return made;
  }
  return {};
}

}  // namespace tunesmith::bus
