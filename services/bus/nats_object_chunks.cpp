// NatsObjectStore: the chunks of one object, stored, read and removed.
#include <chrono>
#include <filesystem>
#include <fstream>

#include "bus/nats_object_store.h"
#include "bus/ordered_reader.h"
#include "runtime/sha256.h"

namespace tunesmith::bus {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::milliseconds kChunkPatience{30'000};

}  // namespace

Result<ObjectMeta> NatsObjectStore::put_chunks(const std::string& bucket, const std::string& name,
                                               const std::string& nuid, const fs::path& file,
                                               std::stop_token stop) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return permanent("FileUnreadable", "cannot read " + file.string());
  ObjectMeta meta{.name = name, .bucket = bucket, .nuid = nuid};
  Sha256 sha;
  std::string chunk(kChunkBytes, '\0');
  const std::string subject = chunk_subject(bucket, nuid);
  while (in) {
    if (stop.stop_requested()) return transient("Stopped", "stopped while storing " + name);
    in.read(chunk.data(), kChunkBytes);
    const std::string_view piece(chunk.data(), static_cast<std::size_t>(in.gcount()));
    if (in.bad()) return transient("FileUnreadable", "cannot read " + file.string());
    if (piece.empty()) break;
    sha.update(piece);
    auto stored = client_.store(
        subject, piece, {},
        {.message_id = nuid + "/" + std::to_string(meta.chunks), .patience = kChunkPatience});
    if (!stored) return tl::unexpected(stored.error().failure);
    ++meta.chunks;
    meta.size_bytes += piece.size();
  }
  meta.sha256 = sha.hex();
  return meta;
}

Result<void> NatsObjectStore::get_chunks(const ObjectMeta& meta, const fs::path& file,
                                         std::stop_token stop) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  if (!out && errno != ENOSPC) return permanent("FileUnwritable", "cannot write " + file.string());
  OrderedReader reader(client_, {.stream = object_stream(meta.bucket),
                                 .filter = chunk_subject(meta.bucket, meta.nuid)});
  Sha256 sha;
  std::uint64_t size = 0;
  std::uint64_t chunks = 0;
  while (chunks < meta.chunks) {
    auto stored = reader.next(false, stop);
    if (!stored) return tl::unexpected(stored.error());
    if (!*stored) break;
    const std::string& piece = (*stored)->message.data;
    out.write(piece.data(), static_cast<std::streamsize>(piece.size()));
    if (!out) return transient("DiskFull", "could not write " + file.string());
    sha.update(piece);
    size += piece.size();
    ++chunks;
  }
  out.close();
  if (!out) return transient("DiskFull", "could not write " + file.string());
  if (size != meta.size_bytes || chunks != meta.chunks || sha.hex() != meta.sha256) {
    return permanent("ObjectCorrupt", "object " + meta.name + " in " + meta.bucket + ": expected " +
                                          std::to_string(meta.size_bytes) + " bytes with sha256 " +
                                          meta.sha256 + ", got " + std::to_string(size) +
                                          " that are not these");
  }
  return {};
}

// nats-server 2.9 goes on counting what a purge by subject removed against its limit, until it is
// restarted: old checkpoints would fill it. What is removed message by message it counts right.
Result<void> NatsObjectStore::remove_chunks_one_by_one(const std::string& bucket,
                                                       const std::string& nuid) {
  const std::string stream = object_stream(bucket);
  OrderedReader reader(
      client_, {.stream = stream, .filter = chunk_subject(bucket, nuid), .headers_only = true});
  while (true) {
    auto chunk = reader.next(false, {});  // also while the process stops: calls are short then
    if (!chunk && chunk.error().reason == "BusNotInitialised") return {};  // no such bucket
    if (!chunk) return tl::unexpected(chunk.error());
    if (!*chunk) return {};
    auto gone = client_.call("removing a chunk", NatsClient::kPatience, [&](jsErrCode* code) {
      return js_DeleteMsg(client_.jetstream(), stream.c_str(), (*chunk)->sequence, nullptr, code);
    });
    const int code = gone ? 0 : gone.error().code;
    if (code == js_code::kStreamNotFound) return {};
    if (!gone && code != js_code::kSequenceNotFound && code != js_code::kMessageDeleteFailed) {
      return tl::unexpected(gone.error().failure);
    }
  }
}

Result<void> NatsObjectStore::purge_chunks(const std::string& bucket, const std::string& nuid) {
  if (limit_bytes_ != 0) return remove_chunks_one_by_one(bucket, nuid);
  const std::string subject = chunk_subject(bucket, nuid);
  jsOptions options;
  jsOptions_Init(&options);
  options.Stream.Purge.Subject = subject.c_str();
  auto purged = client_.call("removing chunks", NatsClient::kPatience, [&](jsErrCode* code) {
    return js_PurgeStream(client_.jetstream(), object_stream(bucket).c_str(), &options, code);
  });
  if (!purged && purged.error().code != js_code::kStreamNotFound) {
    return tl::unexpected(purged.error().failure);
  }
  return {};
}

}  // namespace tunesmith::bus
