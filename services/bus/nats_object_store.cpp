#include "bus/nats_object_store.h"

#include <cerrno>
#include <chrono>
#include <set>
#include <system_error>

#include "bus/object_sweep.h"
#include "bus/ordered_reader.h"
#include "bus/subject.h"
#include "runtime/text.h"

namespace tunesmith::bus {

namespace fs = std::filesystem;

namespace {

tl::unexpected<Failure> missing(const std::string& bucket, const std::string& name) {
  return permanent("ObjectMissing", "no object " + name + " in bucket " + bucket);
}

ObjectInfo info_of(const ObjectMeta& meta, std::string modified) {
  return {.name = meta.name,
          .size_bytes = meta.size_bytes,
          .sha256 = meta.sha256,
          .modified = std::move(modified)};
}

}  // namespace

Result<void> NatsObjectStore::create_bucket(const std::string& bucket, std::uint64_t quota_bytes) {
  if (!is_valid_token(bucket)) return permanent("BucketInvalid", bucket + " is no bucket name");
  const std::string name = object_stream(bucket);
  const std::string chunks = "$O." + bucket + ".C.>";
  const std::string metas = "$O." + bucket + ".M.>";
  const char* subjects[] = {chunks.c_str(), metas.c_str()};
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  config.Name = name.c_str();
  config.Subjects = subjects;
  config.SubjectsLen = 2;
  config.Storage = js_FileStorage;
  config.MaxBytes = quota_bytes == 0 ? -1 : static_cast<std::int64_t>(quota_bytes);
  config.Discard = js_DiscardNew;
  config.AllowRollup = true;
  config.AllowDirect = true;
  config.Replicas = replicas_;
  auto made =
      client_.call("creating bucket " + bucket, NatsClient::kPatience, [&](jsErrCode* code) {
        return js_AddStream(nullptr, client_.jetstream(), &config, nullptr, code);
      });
  if (!made && made.error().code == js_code::kStreamNameInUse) {
    made = client_.call("updating bucket " + bucket, NatsClient::kPatience, [&](jsErrCode* code) {
      return js_UpdateStream(nullptr, client_.jetstream(), &config, nullptr, code);
    });
  }
  if (!made) return tl::unexpected(made.error().failure);
  return {};
}

Result<void> NatsObjectStore::delete_bucket(const std::string& bucket) {
  auto gone =
      client_.call("deleting bucket " + bucket, NatsClient::kPatience, [&](jsErrCode* code) {
        return js_DeleteStream(client_.jetstream(), object_stream(bucket).c_str(), nullptr, code);
      });
  if (gone || gone.error().code == js_code::kStreamNotFound) return {};
  return tl::unexpected(gone.error().failure);
}

Result<std::vector<std::string>> NatsObjectStore::buckets() {
  jsStreamNamesList* list = nullptr;
  auto read = client_.call("listing buckets", NatsClient::kPatience, [&](jsErrCode* code) {
    const natsStatus s = js_StreamNames(&list, client_.jetstream(), nullptr, code);
    return s == NATS_NOT_FOUND ? NATS_OK : s;  // no stream at all
  });
  if (!read) return tl::unexpected(read.error().failure);
  std::vector<std::string> names;
  for (int i = 0; list != nullptr && i < list->Count; ++i) {
    const std::string stream = list->List[i];
    if (stream.starts_with("OBJ_")) names.push_back(stream.substr(4));
  }
  jsStreamNamesList_Destroy(list);
  return names;
}

Result<std::optional<NatsObjectStore::StoredMeta>> NatsObjectStore::find(const std::string& bucket,
                                                                         const std::string& name) {
  natsMsg* raw = nullptr;
  auto read =
      client_.call("looking for object " + name, NatsClient::kPatience, [&](jsErrCode* code) {
        return js_GetLastMsg(&raw, client_.jetstream(), object_stream(bucket).c_str(),
                             meta_subject(bucket, name).c_str(), nullptr, code);
      });
  const MsgHandle msg(raw);
  if (!read) {
    const int code = read.error().code;
    if (code == js_code::kMessageNotFound || code == js_code::kStreamNotFound) return std::nullopt;
    return tl::unexpected(read.error().failure);
  }
  const Message message = to_message(raw);
  auto meta = object_meta_from_json(message.data);
  if (!meta) return tl::unexpected(meta.error());
  if (meta->deleted) return std::nullopt;
  return StoredMeta{std::move(*meta), rfc3339_from_ns(message.time_ns)};
}

Result<void> NatsObjectStore::put_meta(const ObjectMeta& meta) {
  auto stored = client_.store(meta_subject(meta.bucket, meta.name), to_json(meta),
                              {{"Nats-Rollup", "sub"}}, {});
  if (!stored) return tl::unexpected(stored.error().failure);
  return {};
}

Result<void> NatsObjectStore::has_room_for(const fs::path& file) {
  if (limit_bytes_ == 0) return {};
  std::error_code error;
  const auto size_bytes = fs::file_size(file, error);
  if (error) return permanent("FileUnreadable", "cannot read " + file.string());
  std::uint64_t used_bytes = 0;
  auto asked =
      client_.call("asking how full the store is", NatsClient::kPatience, [&](jsErrCode* code) {
        jsAccountInfo* info = nullptr;
        const natsStatus s = js_GetAccountInfo(&info, client_.jetstream(), nullptr, code);
        if (s == NATS_OK) used_bytes = static_cast<std::uint64_t>(info->Store);
        jsAccountInfo_Destroy(info);
        return s;
      });
  if (!asked) return tl::unexpected(asked.error().failure);
  const std::uint64_t most_bytes = limit_bytes_ / 10 * 9;
  if (used_bytes + size_bytes <= most_bytes) return {};
  return transient("StorageFull", "JetStream holds " + std::to_string(used_bytes) +
                                      " bytes; with " + std::to_string(size_bytes) +
                                      " more it would pass " + std::to_string(most_bytes) +
                                      ", nine tenths of its limit: give it more storage, or delete "
                                      "Workspaces that are no longer needed");
}

Result<ObjectInfo> NatsObjectStore::put_file(const std::string& bucket, const std::string& name,
                                             const fs::path& file, std::stop_token stop) {
  if (auto room = has_room_for(file); !room) return tl::unexpected(room.error());
  auto old = find(bucket, name);
  if (!old) return tl::unexpected(old.error());
  const std::string nuid = client_.new_nuid();
  auto meta = put_chunks(bucket, name, nuid, file, std::move(stop));
  Result<void> stored;
  if (meta) stored = put_meta(*meta);
  if (!meta || !stored) {
    const Failure failure = meta ? stored.error() : meta.error();
    if (failure.reason != "BusUnavailable") static_cast<void>(purge_chunks(bucket, nuid));
    return tl::unexpected(failure);
  }
  if (*old) static_cast<void>(purge_chunks(bucket, (*old)->meta.nuid));
  sweep(bucket);
  return info_of(*meta, rfc3339(std::chrono::system_clock::now()));
}

Result<ObjectInfo> NatsObjectStore::get_file(const std::string& bucket, const std::string& name,
                                             const fs::path& file, std::stop_token stop) {
  auto found = find(bucket, name);
  if (!found) return tl::unexpected(found.error());
  if (!*found) return missing(bucket, name);
  const fs::path partial = file.string() + "." + client_.new_nuid() + ".part";
  std::error_code error;
  auto got = get_chunks((*found)->meta, partial, std::move(stop));
  if (got) {
    fs::rename(partial, file, error);
    if (error) got = transient("DiskFull", "could not write " + file.string());
  }
  if (!got) {
    fs::remove(partial, error);
    return tl::unexpected(got.error());
  }
  return info_of((*found)->meta, (*found)->modified);
}

Result<std::optional<ObjectInfo>> NatsObjectStore::info(const std::string& bucket,
                                                        const std::string& name) {
  auto found = find(bucket, name);
  if (!found) return tl::unexpected(found.error());
  if (!*found) return std::nullopt;
  return info_of((*found)->meta, (*found)->modified);
}

void NatsObjectStore::sweep(const std::string& bucket) {
  // In this order: what gets its meta between the two looks is young in the second.
  std::set<std::string> live;
  const auto known = metas(bucket);
  if (!known) return;
  for (const auto& stored : *known) live.insert(stored.meta.nuid);
  const auto left = chunks_without_meta(client_, bucket, live);
  for (const auto& chunks : left ? *left : std::vector<ChunkSet>()) {
    if (chunks.silent < abandoned_after_) continue;
    client_.log().warning("an object that was never completed is removed", {{"bucket", bucket}});
    static_cast<void>(purge_chunks(bucket, chunks.nuid));
  }
}

Result<std::vector<NatsObjectStore::StoredMeta>> NatsObjectStore::metas(const std::string& bucket) {
  OrderedReader reader(client_, {.stream = object_stream(bucket),
                                 .filter = "$O." + bucket + ".M.>",
                                 .from = OrderedReader::From::kLastPerSubject});
  std::vector<StoredMeta> all;
  while (true) {
    auto stored = reader.next(false, client_.stopping());
    if (!stored) {
      if (stored.error().reason == "BusNotInitialised") return all;  // no such bucket
      return tl::unexpected(stored.error());
    }
    if (!*stored) return all;
    auto meta = object_meta_from_json((*stored)->message.data);
    if (!meta) return tl::unexpected(meta.error());
    if (!meta->deleted) all.push_back({std::move(*meta), rfc3339_from_ns((*stored)->time_ns)});
  }
}

Result<std::vector<ObjectInfo>> NatsObjectStore::list(const std::string& bucket) {
  const auto stored = metas(bucket);
  if (!stored) return tl::unexpected(stored.error());
  std::vector<ObjectInfo> infos;
  for (const auto& [meta, modified] : *stored) infos.push_back(info_of(meta, modified));
  return infos;
}

Result<void> NatsObjectStore::remove(const std::string& bucket, const std::string& name) {
  auto found = find(bucket, name);
  if (!found) return tl::unexpected(found.error());
  if (!*found) return {};
  ObjectMeta meta = (*found)->meta;
  const std::string nuid = meta.nuid;
  meta.deleted = true;
  meta.size_bytes = meta.chunks = 0;
  if (auto stored = put_meta(meta); !stored) return stored;
  return purge_chunks(bucket, nuid);
}

}  // namespace tunesmith::bus
