#include "bus/nats_key_value.h"

#include "bus/ordered_reader.h"
#include "bus/subject.h"

namespace tunesmith::bus {
namespace {

tl::unexpected<Failure> bad_key(const std::string& key) {
  return permanent("KeyInvalid", "\"" + key + "\" is no key: expected [-/_=.a-zA-Z0-9]+");
}

}  // namespace

NatsKeyValue::NatsKeyValue(NatsClient& client, const std::string& bucket)
    : client_(client), stream_("KV_" + bucket), prefix_("$KV." + bucket + ".") {}

KeyValueEntry NatsKeyValue::entry_of(const Message& message, std::uint64_t revision) const {
  const std::string operation = message.header("KV-Operation");
  return {.key = message.subject.substr(prefix_.size()),
          .value = message.data,
          .revision = revision,
          .deleted = operation == "DEL" || operation == "PURGE"};
}

Result<std::optional<KeyValueEntry>> NatsKeyValue::last(const std::string& key) {
  if (!is_valid_key(key)) return bad_key(key);
  natsMsg* raw = nullptr;
  // From the leader, never from a replica that lags: handlers decide upon what they read here.
  const auto read =
      client_.call("reading " + subject(key), NatsClient::kPatience, [&](jsErrCode* code) {
        return js_GetLastMsg(&raw, client_.jetstream(), stream_.c_str(), subject(key).c_str(),
                             nullptr, code);
      });
  const MsgHandle msg(raw);
  if (!read) {
    if (read.error().code == js_code::kMessageNotFound) return std::nullopt;
    return tl::unexpected(read.error().failure);
  }
  const Message message = to_message(raw);
  return entry_of(message, message.sequence);
}

Result<std::optional<KeyValueEntry>> NatsKeyValue::get(const std::string& key) {
  auto entry = last(key);
  if (entry && *entry && (*entry)->deleted) return std::nullopt;
  return entry;
}

Result<std::uint64_t> NatsKeyValue::create(const std::string& key, const std::string& value) {
  if (!is_valid_key(key)) return bad_key(key);
  std::uint64_t expected = 0;
  while (true) {
    auto stored = client_.store(subject(key), value, {}, {.last_subject_sequence = expected});
    if (stored) return *stored;
    if (stored.error().code != js_code::kWrongLastSequence) {
      return tl::unexpected(stored.error().failure);
    }
    auto entry = last(key);
    if (!entry) return tl::unexpected(entry.error());
    if (*entry && !(*entry)->deleted) {
      return permanent("KeyExists", "key " + key + " exists in " + stream_);
    }
    expected = *entry ? (*entry)->revision : 0;  // on top of a delete marker
  }
}

Result<std::uint64_t> NatsKeyValue::update(const std::string& key, const std::string& value,
                                           std::uint64_t last_revision) {
  if (!is_valid_key(key)) return bad_key(key);
  auto stored = client_.store(subject(key), value, {}, {.last_subject_sequence = last_revision});
  if (stored) return *stored;
  if (stored.error().code == js_code::kWrongLastSequence) {
    return permanent("RevisionConflict", "key " + key + " in " + stream_ + " is not at revision " +
                                             std::to_string(last_revision) + " any more");
  }
  return tl::unexpected(stored.error().failure);
}

Result<std::uint64_t> NatsKeyValue::put(const std::string& key, const std::string& value) {
  if (!is_valid_key(key)) return bad_key(key);
  auto stored = client_.store(subject(key), value, {}, {});
  if (!stored) return tl::unexpected(stored.error().failure);
  return *stored;
}

Result<void> NatsKeyValue::remove(const std::string& key) {
  auto entry = last(key);
  if (!entry) return tl::unexpected(entry.error());
  if (!*entry || (*entry)->deleted) return {};
  auto stored = client_.store(subject(key), "", {{"KV-Operation", "DEL"}}, {});
  if (!stored) return tl::unexpected(stored.error().failure);
  return {};
}

Result<std::vector<std::string>> NatsKeyValue::keys(const std::string& pattern) {
  OrderedReader reader(client_, {.stream = stream_,
                                 .filter = subject(pattern),
                                 .from = OrderedReader::From::kLastPerSubject,
                                 .headers_only = true});
  std::vector<std::string> found;
  while (true) {
    auto stored = reader.next(false, client_.stopping());
    if (!stored) return tl::unexpected(stored.error());
    if (!*stored) return found;
    const auto entry = entry_of((*stored)->message, (*stored)->sequence);
    if (!entry.deleted) found.push_back(entry.key);
  }
}

Result<void> NatsKeyValue::watch(const std::string& pattern,
                                 const std::function<void(const KeyValueEntry&)>& on_entry,
                                 const std::function<void()>& on_caught_up, std::stop_token stop) {
  OrderedReader reader(client_, {.stream = stream_,
                                 .filter = subject(pattern),
                                 .from = OrderedReader::From::kLastPerSubject,
                                 .keep_trying = true});
  bool caught_up = false;
  while (!stop.stop_requested()) {
    auto stored = reader.next(caught_up, stop);
    if (!stored && stop.stop_requested()) break;
    if (!stored) return tl::unexpected(stored.error());
    if (!*stored) {
      if (caught_up) break;
      caught_up = true;
      on_caught_up();
      continue;
    }
    const auto entry = entry_of((*stored)->message, (*stored)->sequence);
    if (caught_up || !entry.deleted) on_entry(entry);
  }
  return {};
}

}  // namespace tunesmith::bus
