// The functions of the NATS C library that bus/ calls, answered by the simulated server. With them
// the services' own client code (retries, compare-and-set, consumers, dead letters) runs as it is.
#include <nats/nats.h>

#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "bus/nats_client.h"
#include "simulation/world.h"

using tunesmith::bus::Message;
using tunesmith::simulation::BusServer;
using tunesmith::simulation::ConsumerConfig;
using tunesmith::simulation::kMillisecond;
using tunesmith::simulation::kSecond;
using tunesmith::simulation::kWallBegin;
using tunesmith::simulation::Mutation;
using tunesmith::simulation::StoreCode;
using tunesmith::simulation::Stored;
using tunesmith::simulation::Time;
using tunesmith::simulation::world;
namespace js_code = tunesmith::bus::js_code;

struct __natsMsg {
  Message message;
};

namespace {

constexpr Time kDefaultWait = 5 * kSecond;

natsMsg* message_of(const Stored& stored) {
  return new natsMsg{{.subject = stored.subject,
                      .reply = {},
                      .data = stored.data,
                      .headers = stored.headers,
                      .sequence = stored.sequence,
                      .time_ns = kWallBegin + stored.time}};
}

natsStatus refuse(jsErrCode* code, int number) {
  *code = static_cast<jsErrCode>(number);
  return NATS_ERR;
}

jsStreamStateSubjects* subjects_of(const std::map<std::string, std::uint64_t>& counts) {
  auto* subjects =
      static_cast<jsStreamStateSubjects*>(std::calloc(1, sizeof(jsStreamStateSubjects)));
  subjects->List = static_cast<jsStreamStateSubject*>(
      std::calloc(counts.size() + 1, sizeof(jsStreamStateSubject)));
  for (const auto& [subject, messages] : counts) {
    subjects->List[subjects->Count].Subject = ::strdup(subject.c_str());
    subjects->List[subjects->Count++].Msgs = messages;
  }
  return subjects;
}

}  // namespace

extern "C" {

natsStatus natsMsg_Create(natsMsg** msg, const char* subject, const char* reply, const char* data,
                          int length) {
  *msg = new natsMsg{{.subject = subject,
                      .reply = reply == nullptr ? "" : reply,
                      .data = std::string(data, static_cast<std::size_t>(length)),
                      .headers = {}}};
  return NATS_OK;
}
void natsMsg_Destroy(natsMsg* msg) { delete msg; }
const char* natsMsg_GetSubject(const natsMsg* msg) { return msg->message.subject.c_str(); }
const char* natsMsg_GetReply(const natsMsg* msg) {
  return msg->message.reply.empty() ? nullptr : msg->message.reply.c_str();
}
const char* natsMsg_GetData(const natsMsg* msg) { return msg->message.data.data(); }
int natsMsg_GetDataLength(const natsMsg* msg) { return static_cast<int>(msg->message.data.size()); }
uint64_t natsMsg_GetSequence(natsMsg* msg) { return msg->message.sequence; }
int64_t natsMsg_GetTime(natsMsg* msg) { return msg->message.time_ns; }

natsStatus natsMsgHeader_Set(natsMsg* msg, const char* key, const char* value) {
  msg->message.headers[key] = value;
  return NATS_OK;
}
natsStatus natsMsgHeader_Get(natsMsg* msg, const char* key, const char** value) {
  const auto found = msg->message.headers.find(key);
  if (found == msg->message.headers.end()) return NATS_NOT_FOUND;
  *value = found->second.c_str();
  return NATS_OK;
}
natsStatus natsMsgHeader_Keys(natsMsg* msg, const char*** keys, int* count) {
  *count = static_cast<int>(msg->message.headers.size());
  if (*count == 0) return NATS_NOT_FOUND;
  auto* names =
      static_cast<const char**>(std::malloc(msg->message.headers.size() * sizeof(const char*)));
  std::size_t at = 0;
  for (const auto& [name, value] : msg->message.headers) names[at++] = name.c_str();
  *keys = names;
  return NATS_OK;
}

natsStatus natsInbox_Create(natsInbox** inbox) {
  const std::string name = "_INBOX." + std::to_string(world()->new_number());
  *inbox = ::strdup(name.c_str());
  return NATS_OK;
}
void natsInbox_Destroy(natsInbox* inbox) { std::free(inbox); }

natsStatus js_PublishMsg(jsPubAck** ack, jsCtx*, natsMsg* msg, jsPubOptions* options,
                         jsErrCode* code) {
  const Message& message = msg->message;
  return world()->ask("storing " + message.subject, options->MaxWait * kMillisecond, [&] {
    if (!world()->bus().exists(BusServer::stream_name_of(message.subject))) {
      return NATS_NO_RESPONDERS;
    }
    std::optional<std::uint64_t> expected;
    if (options->ExpectLastSubjectSeq > 0) expected = options->ExpectLastSubjectSeq;
    if (options->ExpectNoMessage) expected = 0;
    const auto answer = world()->bus().store(message.subject, message.data, message.headers,
                                             options->MsgId, expected);
    if (answer.code == StoreCode::kWrongLastSequence) {
      return refuse(code, js_code::kWrongLastSequence);
    }
    *ack = static_cast<jsPubAck*>(std::calloc(1, sizeof(jsPubAck)));
    (*ack)->Sequence = answer.sequence;
    (*ack)->Duplicate = answer.code == StoreCode::kDuplicate;
    return NATS_OK;
  });
}
void jsPubAck_Destroy(jsPubAck* ack) { std::free(ack); }

natsStatus js_GetLastMsg(natsMsg** msg, jsCtx*, const char* stream, const char* subject, jsOptions*,
                         jsErrCode* code) {
  return world()->ask(std::string("reading ") + subject, kDefaultWait, [&] {
    if (!world()->bus().exists(stream)) return refuse(code, js_code::kStreamNotFound);
    const Stored* found = world()->read_last(stream, subject);
    if (found == nullptr) return refuse(code, js_code::kMessageNotFound);
    *msg = message_of(*found);
    return NATS_OK;
  });
}

natsStatus js_GetMsg(natsMsg** msg, jsCtx*, const char* stream, uint64_t sequence, jsOptions*,
                     jsErrCode* code) {
  return world()->ask(std::string("reading a message of ") + stream, kDefaultWait, [&] {
    const Stored* found = world()->bus().message(stream, sequence);
    if (found == nullptr) return refuse(code, js_code::kMessageNotFound);
    *msg = message_of(*found);
    return NATS_OK;
  });
}

// Requests to JetStream's API that bus/ makes by hand: the creation of a consumer.
natsStatus natsConnection_Request(natsMsg** reply, natsConnection*, const char* subject,
                                  const void* data, int length, int64_t timeout_ms) {
  const std::string_view create = "$JS.API.CONSUMER.CREATE.";
  if (!std::string_view(subject).starts_with(create)) return NATS_NO_RESPONDERS;
  const auto request = nlohmann::json::parse(
      std::string_view(static_cast<const char*>(data), static_cast<std::size_t>(length)));
  const auto& config = request.at("config");
  const std::string name = config.at("durable_name");
  return world()->ask("creating " + name, timeout_ms * kMillisecond, [&] {
    world()->bus().ensure_consumer({.stream = request.at("stream_name"),
                                    .durable = name,
                                    .filter = config.at("filter_subject"),
                                    .ack_wait = config.at("ack_wait"),
                                    .max_deliver = config.at("max_deliver")});
    *reply = new natsMsg{
        {.subject = {}, .reply = {}, .data = nlohmann::json{{"name", name}}.dump(), .headers = {}}};
    return NATS_OK;
  });
}

natsStatus js_GetStreamInfo(jsStreamInfo** info, jsCtx*, const char* stream, jsOptions* options,
                            jsErrCode* code) {
  const char* filter = options == nullptr ? nullptr : options->Stream.Info.SubjectsFilter;
  return world()->ask(std::string("looking into ") + stream, kDefaultWait, [&] {
    if (!world()->bus().exists(stream)) return refuse(code, js_code::kStreamNotFound);
    *info = static_cast<jsStreamInfo*>(std::calloc(1, sizeof(jsStreamInfo)));
    (*info)->State.LastTime = kWallBegin + world()->bus().last_time(stream);
    if (filter != nullptr) {
      (*info)->State.Subjects = subjects_of(world()->bus().subjects(stream, filter));
    }
    return NATS_OK;
  });
}
void jsStreamInfo_Destroy(jsStreamInfo* info) {
  if (auto* subjects = info->State.Subjects; subjects != nullptr) {
    for (int i = 0; i < subjects->Count; ++i) {
      std::free(const_cast<char*>(subjects->List[i].Subject));
    }
    std::free(subjects->List);
    std::free(subjects);
  }
  std::free(info);
}

natsStatus js_AddStream(jsStreamInfo**, jsCtx*, jsStreamConfig* config, jsOptions*, jsErrCode*) {
  return world()->ask(std::string("creating ") + config->Name, kDefaultWait, [&] {
    world()->bus().create(config->Name);
    return NATS_OK;
  });
}
natsStatus js_UpdateStream(jsStreamInfo**, jsCtx*, jsStreamConfig*, jsOptions*, jsErrCode*) {
  return NATS_OK;  // creating one that is there succeeds already
}
natsStatus js_DeleteStream(jsCtx*, const char* stream, jsOptions*, jsErrCode* code) {
  return world()->ask(std::string("deleting ") + stream, kDefaultWait, [&] {
    if (world()->mutated(Mutation::kBucketsSurvive)) return NATS_OK;
    return world()->bus().remove(stream) ? NATS_OK : refuse(code, js_code::kStreamNotFound);
  });
}
natsStatus js_PurgeStream(jsCtx*, const char* stream, jsOptions* options, jsErrCode* code) {
  return world()->ask(std::string("purging ") + stream, kDefaultWait, [&] {
    if (!world()->bus().exists(stream)) return refuse(code, js_code::kStreamNotFound);
    world()->bus().purge(stream, options->Stream.Purge.Subject);
    return NATS_OK;
  });
}
natsStatus js_StreamNames(jsStreamNamesList** list, jsCtx*, jsOptions*, jsErrCode*) {
  return world()->ask("listing streams", kDefaultWait, [&] {
    const auto names = world()->bus().names();
    *list = static_cast<jsStreamNamesList*>(std::calloc(1, sizeof(jsStreamNamesList)));
    (*list)->List = static_cast<char**>(std::calloc(names.size() + 1, sizeof(char*)));
    for (const auto& name : names) (*list)->List[(*list)->Count++] = ::strdup(name.c_str());
    return NATS_OK;
  });
}
void jsStreamNamesList_Destroy(jsStreamNamesList* list) {
  for (int i = 0; list != nullptr && i < list->Count; ++i) std::free(list->List[i]);
  if (list != nullptr) std::free(list->List);
  std::free(list);
}

// Acknowledgements: nobody waits for them, and nobody learns when one is lost.
natsStatus natsConnection_Publish(natsConnection*, const char* subject, const void* data,
                                  int length) {
  world()->send(subject, {static_cast<const char*>(data), static_cast<std::size_t>(length)});
  return NATS_OK;
}
natsStatus natsConnection_PublishRequest(natsConnection*, const char*, const char*, const void*,
                                         int) {
  return NATS_OK;
}
natsStatus natsConnection_FlushTimeout(natsConnection*, int64_t) { return NATS_OK; }
const char* nats_GetLastError(natsStatus*) { return nullptr; }

}  // extern "C"
