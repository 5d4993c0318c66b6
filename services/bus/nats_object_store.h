// ObjectStore on JetStream. Internal to bus/.
#pragma once

#include <string>
#include <utility>

#include "bus/nats_client.h"
#include "bus/object_meta.h"
#include "bus/object_store.h"

namespace tunesmith::bus {

// `client` outlives it.
class NatsObjectStore final : public ObjectStore {
 public:
  explicit NatsObjectStore(NatsClient& client, int replicas = 1)
      : client_(client), replicas_(replicas) {}

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
  Result<ObjectMeta> put_chunks(const std::string& bucket, const std::string& name,
                                const std::string& nuid, const std::filesystem::path& file,
                                std::stop_token stop);
  Result<void> get_chunks(const ObjectMeta& meta, const std::filesystem::path& file,
                          std::stop_token stop);
  Result<void> put_meta(const ObjectMeta& meta);
  Result<void> purge_chunks(const std::string& bucket, const std::string& nuid);

  NatsClient& client_;
  int replicas_;
};

}  // namespace tunesmith::bus
