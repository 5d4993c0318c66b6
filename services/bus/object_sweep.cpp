#include "bus/object_sweep.h"

#include "bus/nats_message.h"
#include "bus/object_meta.h"

namespace tunesmith::bus {

namespace {

// When the last message of a subject was stored, in ns since the epoch.
tl::expected<std::int64_t, CallFailure> last_time(NatsClient& client, const std::string& stream,
                                                  const std::string& subject) {
  natsMsg* raw = nullptr;
  auto read = client.call("looking for " + subject, NatsClient::kPatience, [&](jsErrCode* code) {
    return js_GetLastMsg(&raw, client.jetstream(), stream.c_str(), subject.c_str(), nullptr, code);
  });
  const MsgHandle msg(raw);
  if (!read) return tl::unexpected(read.error());
  return to_message(raw).time_ns;
}

}  // namespace

Result<std::vector<ChunkSet>> chunks_without_meta(NatsClient& client, const std::string& bucket,
                                                  const std::set<std::string>& live) {
  const std::string stream = object_stream(bucket);
  const std::string filter = chunk_subject(bucket, ">");
  jsOptions options;
  jsOptions_Init(&options);
  options.Stream.Info.SubjectsFilter = filter.c_str();
  jsStreamInfo* raw = nullptr;
  auto read = client.call("looking into " + bucket, NatsClient::kPatience, [&](jsErrCode* code) {
    return js_GetStreamInfo(&raw, client.jetstream(), stream.c_str(), &options, code);
  });
  if (!read) {
    if (read.error().code == js_code::kStreamNotFound) return std::vector<ChunkSet>();
    return tl::unexpected(read.error().failure);
  }
  const StreamInfoHandle info(raw);
  std::vector<ChunkSet> found;
  const auto* subjects = raw->State.Subjects;
  for (int i = 0; subjects != nullptr && i < subjects->Count; ++i) {
    const std::string subject = subjects->List[i].Subject;
    std::string nuid = subject.substr(subject.rfind('.') + 1);
    if (live.contains(nuid)) continue;
    const auto time = last_time(client, stream, subject);
    if (!time && time.error().code == js_code::kMessageNotFound) continue;  // purged meanwhile
    if (!time) return tl::unexpected(time.error().failure);
    found.push_back({std::move(nuid), std::chrono::nanoseconds(raw->State.LastTime - *time)});
  }
  return found;
}

}  // namespace tunesmith::bus
