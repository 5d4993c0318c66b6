#include <fstream>
#include <sstream>

#include "fakes/memory_bus.h"
#include "runtime/sha256.h"

namespace tunesmith::fakes {
namespace {

bus::ObjectInfo info_of(const std::string& name, const std::string& bytes) {
  return {.name = name,
          .size_bytes = bytes.size(),
          .sha256 = sha256_hex(bytes),
          .modified = "2026-01-31T12:00:00Z"};
}

}  // namespace

Result<MemoryObjectStore::Bucket*> MemoryObjectStore::find(const std::string& bucket) {
  if (auto failure = failures_.take()) return tl::unexpected(*failure);
  const auto found = buckets_.find(bucket);
  if (found == buckets_.end()) return permanent("ObjectMissing", "no bucket " + bucket);
  return &found->second;
}

Result<void> MemoryObjectStore::create_bucket(const std::string& bucket,
                                              std::uint64_t quota_bytes) {
  const std::scoped_lock lock(mutex_);
  if (auto failure = failures_.take()) return tl::unexpected(*failure);
  buckets_[bucket].quota_bytes = quota_bytes;
  return {};
}

Result<void> MemoryObjectStore::delete_bucket(const std::string& bucket) {
  const std::scoped_lock lock(mutex_);
  if (auto failure = failures_.take()) return tl::unexpected(*failure);
  buckets_.erase(bucket);
  return {};
}

Result<std::vector<std::string>> MemoryObjectStore::buckets() {
  const std::scoped_lock lock(mutex_);
  if (auto failure = failures_.take()) return tl::unexpected(*failure);
  std::vector<std::string> names;
  for (const auto& [name, bucket] : buckets_) names.push_back(name);
  return names;
}

Result<bus::ObjectInfo> MemoryObjectStore::put_file(const std::string& bucket,
                                                    const std::string& name,
                                                    const std::filesystem::path& file,
                                                    std::stop_token stop) {
  const std::scoped_lock lock(mutex_);
  auto found = find(bucket);
  if (!found) return tl::unexpected(found.error());
  if (stop.stop_requested()) return transient("Stopped", "stopped while storing " + name);
  std::ifstream in(file, std::ios::binary);
  if (!in) return permanent("FileUnreadable", "cannot read " + file.string());
  std::ostringstream bytes;
  bytes << in.rdbuf();
  std::uint64_t total = bytes.str().size();
  for (const auto& [other, content] : (*found)->objects) {
    if (other != name) total += content.size();
  }
  if ((*found)->quota_bytes != 0 && total > (*found)->quota_bytes) {
    return permanent("StorageFull", "bucket " + bucket + " is full");
  }
  (*found)->objects[name] = bytes.str();
  return info_of(name, bytes.str());
}

Result<bus::ObjectInfo> MemoryObjectStore::get_file(const std::string& bucket,
                                                    const std::string& name,
                                                    const std::filesystem::path& file,
                                                    std::stop_token stop) {
  const std::scoped_lock lock(mutex_);
  auto found = find(bucket);
  if (!found) return tl::unexpected(found.error());
  if (stop.stop_requested()) return transient("Stopped", "stopped while fetching " + name);
  const auto object = (*found)->objects.find(name);
  if (object == (*found)->objects.end()) {
    return permanent("ObjectMissing", "no object " + name + " in " + bucket);
  }
  std::ofstream out(file, std::ios::binary);
  out << object->second;
  out.close();
  if (!out) return permanent("FileUnwritable", "cannot write " + file.string());
  return info_of(name, object->second);
}

Result<std::optional<bus::ObjectInfo>> MemoryObjectStore::info(const std::string& bucket,
                                                               const std::string& name) {
  const std::scoped_lock lock(mutex_);
  if (auto failure = failures_.take()) return tl::unexpected(*failure);
  const auto found = buckets_.find(bucket);
  if (found == buckets_.end()) return std::nullopt;
  const auto object = found->second.objects.find(name);
  if (object == found->second.objects.end()) return std::nullopt;
  return info_of(name, object->second);
}

Result<std::vector<bus::ObjectInfo>> MemoryObjectStore::list(const std::string& bucket) {
  const std::scoped_lock lock(mutex_);
  if (auto failure = failures_.take()) return tl::unexpected(*failure);
  std::vector<bus::ObjectInfo> infos;
  const auto found = buckets_.find(bucket);
  if (found == buckets_.end()) return infos;
  for (const auto& [name, bytes] : found->second.objects) infos.push_back(info_of(name, bytes));
  return infos;
}

Result<void> MemoryObjectStore::remove(const std::string& bucket, const std::string& name) {
  const std::scoped_lock lock(mutex_);
  if (auto failure = failures_.take()) return tl::unexpected(*failure);
  const auto found = buckets_.find(bucket);
  if (found != buckets_.end()) found->second.objects.erase(name);
  return {};
}

void MemoryObjectStore::fail_next(Failure failure, int times) {
  const std::scoped_lock lock(mutex_);
  failures_.add(std::move(failure), times);
}

void MemoryObjectStore::put_bytes(const std::string& bucket, const std::string& name,
                                  std::string bytes) {
  const std::scoped_lock lock(mutex_);
  buckets_[bucket].objects[name] = std::move(bytes);
}

std::optional<std::string> MemoryObjectStore::bytes(const std::string& bucket,
                                                    const std::string& name) const {
  const std::scoped_lock lock(mutex_);
  const auto found = buckets_.find(bucket);
  if (found == buckets_.end()) return std::nullopt;
  const auto object = found->second.objects.find(name);
  if (object == found->second.objects.end()) return std::nullopt;
  return object->second;
}

}  // namespace tunesmith::fakes
