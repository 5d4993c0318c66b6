// The table behind topology.h: every stream and bucket with its limits. init_topology() creates
// from it, permissions.h derives subjects from it, docs/bus.md is generated from it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tunesmith::bus {

// 256 KiB payload is publish()'s own bound; the rest is room for dead letters' headers.
inline constexpr std::int32_t kLargestMessageBytes = 1 << 20;

struct StreamSpec {
  const char* name;
  const char* description;
  std::vector<const char*> subjects;
  std::int64_t max_age_s = 0;  // 0 = for ever
  std::int64_t share = 1;      // may take 1/share of max_stream_bytes
  std::int64_t max_per_subject = -1;
  std::int64_t duplicates_s = 120;
  std::int32_t max_message_bytes = kLargestMessageBytes;
  bool no_ack = false;
};

struct BucketSpec {
  const char* name;
  const char* keys;  // for people
  const char* description;
  std::int64_t history = 1;
  std::int64_t share = 16;
  std::int32_t max_value_bytes = 1 << 20;
};

const std::vector<StreamSpec>& stream_table();
const std::vector<BucketSpec>& bucket_table();

// The JetStream streams of all of them: those of stream_table() and KV_<bucket>.
std::vector<std::string> fixed_stream_names();

}  // namespace tunesmith::bus
