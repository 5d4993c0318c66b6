#include "bus/nats_log_stream.h"

#include "bus/ordered_reader.h"
#include "bus/subject.h"
#include "bus/topology.h"

namespace tunesmith::bus {
namespace {

constexpr std::chrono::milliseconds kAppendPatience{2'000};

Result<std::string> subject_of_logs(const std::string& uid) {
  if (is_valid_token(uid)) return kLogSubjectPrefix + uid;
  return permanent("EventInvalid", "'" + uid + "' is no uid that could stand in a subject");
}

}  // namespace

Result<void> NatsLogStream::append(const std::string& uid, const std::vector<LogLine>& lines) {
  const auto subject = subject_of_logs(uid);
  if (!subject) return tl::unexpected(subject.error());
  const std::string payload = encode_log_lines(lines);
  if (payload.size() > kLargestLogBatch) {
    return permanent("EventTooLarge", "a batch of log lines has " + std::to_string(payload.size()) +
                                          " bytes; the most is " +
                                          std::to_string(kLargestLogBatch));
  }
  const auto stored = client_.store(*subject, payload, {}, {.patience = kAppendPatience});
  if (!stored) return tl::unexpected(stored.error().failure);
  return {};
}

Result<void> NatsLogStream::read(
    const std::string& uid, bool follow,
    const std::function<bool(const std::vector<LogLine>& lines, std::uint64_t behind)>& on_batch,
    std::stop_token stop) {
  const auto subject = subject_of_logs(uid);
  if (!subject) return tl::unexpected(subject.error());
  OrderedReader reader(client_, {.stream = kLogStream, .filter = *subject});
  while (true) {
    auto stored = reader.next(follow, stop);
    if (!stored) return tl::unexpected(stored.error());
    if (!*stored) return {};
    const auto lines = decode_log_lines((*stored)->message.data);
    if (!on_batch(lines.value_or(std::vector<LogLine>()), (*stored)->pending)) return {};
  }
}

Result<void> NatsLogStream::purge(const std::string& uid) {
  const auto subject = subject_of_logs(uid);
  if (!subject) return tl::unexpected(subject.error());
  jsOptions options;
  jsOptions_Init(&options);
  options.Stream.Purge.Subject = subject->c_str();
  const auto purged =
      client_.call("purging " + *subject, NatsClient::kPatience, [&](jsErrCode* code) {
        return js_PurgeStream(client_.jetstream(), kLogStream, &options, code);
      });
  // A stack that is older than the stream, or whose streams were removed by hand, has no lines.
  if (!purged && purged.error().code != js_code::kStreamNotFound) {
    return tl::unexpected(purged.error().failure);
  }
  return {};
}

}  // namespace tunesmith::bus
