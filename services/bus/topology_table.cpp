#include "bus/topology_table.h"

#include "bus/topology.h"

namespace tunesmith::bus {
namespace {

constexpr std::int64_t kDay = std::int64_t{24} * 3'600;
constexpr std::int32_t kLargestLogMessage = 66 << 10;  // kLargestLogBatch and its headers

}  // namespace

const std::vector<StreamSpec>& stream_table() {
  static const std::vector<StreamSpec> table = {
      {.name = kStream,
       .description = "every event: transport, audit trail, history",
       .subjects = {"tunesmith.v1.>"},
       .max_age_s = 30 * kDay,
       .duplicates_s = 600},
      {.name = kDeadLetterStream,
       .description = "events nobody could handle, with the reason",
       .subjects = {"tunesmith.dlq.>"},
       .max_age_s = 90 * kDay,
       .share = 8,
       .duplicates_s = 600},
      {.name = kAdvisoryStream,
       .description = "what the server says of exhausted and terminated deliveries, and which were "
                      "handed back by a stopping service",
       .subjects = {"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>",
                    "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>", "tunesmith.handback.>"},
       .max_age_s = 7 * kDay,
       .share = 32,
       .no_ack = true},
      {.name = kLogStream,
       .description = "the last log lines of workers, per uid",
       .subjects = {"tunesmith.logs.v1.>"},
       .max_age_s = 7 * kDay,
       .share = 4,
       .max_per_subject = 10'000,
       .max_message_bytes = kLargestLogMessage},
  };
  return table;
}

const std::vector<BucketSpec>& bucket_table() {
  static const std::vector<BucketSpec> table = {
      {bucket::kWorkspaces, "`spec.<ns>.<name>`, `configmap.<ns>.<name>`, `status.<ns>.<name>`",
       "specs and ConfigMaps (CLI), status (watcher)", 1, 4},
      {bucket::kCurrent, "`<uid>`", "which generation counts (watcher)", 1, 32, 4 << 10},
      {bucket::kPlans, "`<uid>.<generation>`", "plans, create-only (planner)", 1, 8},
      {bucket::kLeases, "`<uid>`", "who works on what (gpu-worker)", 1, 32, 4 << 10},
      {bucket::kResults, "`<uid>.<tuning key>`", "accepted results, create-only (gpu-worker)", 1,
       16, 64 << 10},
      {bucket::kRendezvous, "`<uid>`", "address of rank 0 (gpu-worker)", 1, 32, 4 << 10},
      {bucket::kInventory, "`<node>`", "nodes, slots and queue (provisioner)", 5, 16},
  };
  return table;
}

std::vector<std::string> fixed_stream_names() {
  std::vector<std::string> names;
  for (const StreamSpec& spec : stream_table()) names.emplace_back(spec.name);
  for (const BucketSpec& spec : bucket_table()) names.push_back(std::string("KV_") + spec.name);
  return names;
}

}  // namespace tunesmith::bus
