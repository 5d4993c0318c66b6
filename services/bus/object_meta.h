// The published layout of JetStream object stores (NATS ADR-20) as pure functions. Internal to
// bus/.
//
//   stream   OBJ_<bucket>     chunks  $O.<bucket>.C.<nuid>     meta $O.<bucket>.M.<base64url(name)>
//   (JSON, header Nats-Rollup: sub)
#pragma once

#include <cstdint>
#include <string>

#include "bus/object_store.h"
#include "runtime/result.h"

namespace tunesmith::bus {

inline constexpr std::uint32_t kChunkBytes = 128u << 10;

struct ObjectMeta {
  std::string name{}, bucket{}, nuid{};
  std::uint64_t size_bytes = 0;
  std::uint64_t chunks = 0;
  std::string sha256{};  // lower-case hex
  bool deleted = false;
};

std::string object_stream(const std::string& bucket);
std::string chunk_subject(const std::string& bucket, const std::string& nuid);
std::string meta_subject(const std::string& bucket, const std::string& name);

std::string to_json(const ObjectMeta& meta);
// Permanent `ObjectCorrupt` when it is no such document.
Result<ObjectMeta> object_meta_from_json(const std::string& json);

}  // namespace tunesmith::bus
