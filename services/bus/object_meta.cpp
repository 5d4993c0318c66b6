#include "bus/object_meta.h"

#include <nlohmann/json.hpp>

#include "bus/base64url.h"

namespace tunesmith::bus {
namespace {

constexpr const char* kDigestPrefix = "SHA-256=";

}  // namespace

std::string object_stream(const std::string& bucket) { return "OBJ_" + bucket; }

std::string chunk_subject(const std::string& bucket, const std::string& nuid) {
  return "$O." + bucket + ".C." + nuid;
}

std::string meta_subject(const std::string& bucket, const std::string& name) {
  return "$O." + bucket + ".M." + to_base64url(name);
}

std::string to_json(const ObjectMeta& meta) {
  nlohmann::json object = {
      {"name", meta.name},
      {"bucket", meta.bucket},
      {"nuid", meta.nuid},
      {"size", meta.size_bytes},
      {"mtime", "0001-01-01T00:00:00Z"},  // readers take the message's own time
      {"chunks", meta.chunks},
      {"options", {{"max_chunk_size", kChunkBytes}}}};
  if (meta.deleted) {
    object["deleted"] = true;
  } else {
    object["digest"] = kDigestPrefix + to_base64url(from_hex(meta.sha256));
  }
  return object.dump();
}

Result<ObjectMeta> object_meta_from_json(const std::string& json) {
  try {
    const auto object = nlohmann::json::parse(json);
    ObjectMeta meta;
    meta.name = object.at("name").get<std::string>();
    meta.bucket = object.at("bucket").get<std::string>();
    meta.nuid = object.at("nuid").get<std::string>();
    meta.size_bytes = object.value("size", std::uint64_t{0});
    meta.chunks = object.value("chunks", std::uint64_t{0});
    meta.deleted = object.value("deleted", false);
    const std::string digest = object.value("digest", "");
    if (digest.starts_with(kDigestPrefix)) {
      meta.sha256 = to_hex(from_base64url(digest.substr(std::string(kDigestPrefix).size())));
    }
    return meta;
  } catch (const nlohmann::json::exception& e) {
    return permanent("ObjectCorrupt",
                     std::string("the description of an object is unreadable: ") + e.what());
  }
}

}  // namespace tunesmith::bus
