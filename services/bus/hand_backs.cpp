#include "bus/hand_backs.h"

#include "bus/topology.h"

namespace tunesmith::bus {

namespace {

std::string note_subject(const std::string& durable, std::uint64_t sequence) {
  return std::string(kHandBackPrefix) + durable + "." + std::to_string(sequence);
}

}  // namespace

void note_hand_back(NatsClient& client, const std::string& durable, std::uint64_t sequence) {
  client.send(note_subject(durable, sequence), "", "");
}

Result<std::uint64_t> hand_backs(NatsClient& client, const std::string& durable,
                                 std::uint64_t sequence) {
  const std::string subject = note_subject(durable, sequence);
  jsOptions options;
  jsOptions_Init(&options);
  options.Stream.Info.SubjectsFilter = subject.c_str();
  jsStreamInfo* raw = nullptr;
  auto read =
      client.call("counting what was handed back", NatsClient::kPatience, [&](jsErrCode* code) {
        return js_GetStreamInfo(&raw, client.jetstream(), kAdvisoryStream, &options, code);
      });
  if (!read) {
    if (read.error().code == js_code::kStreamNotFound) return 0;
    return tl::unexpected(read.error().failure);
  }
  const StreamInfoHandle info(raw);
  const auto* subjects = raw->State.Subjects;
  return subjects == nullptr || subjects->Count == 0 ? 0 : subjects->List[0].Msgs;
}

}  // namespace tunesmith::bus
