// ObjectStore on JetStream. Internal to bus/.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "bus/nats_client.h"
#include "bus/object_meta.h"
#include "bus/object_store.h"

namespace tunesmith::bus {

// `client` outlives it.
class NatsObjectStore final : public ObjectStore {
 public:
  // limit_bytes: what the server may store in all, 0 = unknown; objects leave the last tenth free.
  // Chunks without a meta for `abandoned_after` are of a put that was killed: a living one stores a
  // chunk, or gives up, in 30 s.
  explicit NatsObjectStore(NatsClient& client, int replicas = 1, std::uint64_t limit_bytes = 0,
                           std::chrono::milliseconds abandoned_after = std::chrono::minutes(5))
      : client_(client),
        replicas_(replicas),
        limit_bytes_(limit_bytes),
        abandoned_after_(abandoned_after) {}

  Result<void> create_bucket(const std::string& bucket, std::uint64_t quota_bytes) override;
  Result<void> delete_bucket(const std::string& bucket) override;
  Result<std::vector<std::string>> buckets() override;
  Result<ObjectInfo> put_file(const std::string& bucket, const std::string& name,
                              const std::filesystem::path& file, std::stop_token stop) override;
  Result<ObjectInfo> get_file(const std::string& bucket, const std::string& name,
                              const std::filesystem::path& file, std::stop_token stop) override;
  Result<std::optional<ObjectInfo>> info(const std::string& bucket,
                                         const std::string& name) override;
  Result<std::vector<ObjectInfo>> list(const std::string& bucket) override;
  Result<void> remove(const std::string& bucket, const std::string& name) override;

 private:
  struct StoredMeta {
    ObjectMeta meta;
    std::string modified;
  };
  // Nothing when there is no object of that name, or no bucket.
  Result<std::optional<StoredMeta>> find(const std::string& bucket, const std::string& name);
  Result<void> has_room_for(const std::filesystem::path& file);
  Result<ObjectMeta> put_chunks(const std::string& bucket, const std::string& name,
                                const std::string& nuid, const std::filesystem::path& file,
                                std::stop_token stop);
  Result<void> get_chunks(const ObjectMeta& meta, const std::filesystem::path& file,
                          std::stop_token stop);
  Result<void> put_meta(const ObjectMeta& meta);
  Result<std::vector<StoredMeta>> metas(const std::string& bucket);
  // Removes what killed puts left. Worth losing: the next put tries again.
  void sweep(const std::string& bucket);
  Result<void> remove_chunks_one_by_one(const std::string& bucket, const std::string& nuid);
  Result<void> purge_chunks(const std::string& bucket, const std::string& nuid);

  NatsClient& client_;
  int replicas_;
  std::uint64_t limit_bytes_;
  std::chrono::milliseconds abandoned_after_;
};

}  // namespace tunesmith::bus
