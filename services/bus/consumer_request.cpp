#include "bus/consumer_request.h"

#include <nlohmann/json.hpp>

namespace tunesmith::bus {
namespace {

using nlohmann::json;

struct Answer {
  ConsumerFacts facts;
  std::string problem;
};

// NATS_OK, or NATS_ERR with the server's number for what is wrong.
natsStatus read_answer(const natsMsg* message, Answer& answer, jsErrCode* code) {
  const json reply =
      json::parse(std::string_view(natsMsg_GetData(message),
                                   static_cast<std::size_t>(natsMsg_GetDataLength(message))),
                  nullptr, false);
  if (!reply.is_object()) {
    answer.problem = "the server's answer is no JSON object";
    return NATS_ERR;
  }
  if (const auto error = reply.find("error"); error != reply.end() && error->is_object()) {
    answer.problem = error->value("description", "refused");
    *code = static_cast<jsErrCode>(error->value("err_code", 0));
    return NATS_ERR;
  }
  answer.facts.name = reply.value("name", "");
  answer.facts.pending = reply.value("num_pending", std::uint64_t{0});
  if (const auto delivered = reply.find("delivered");
      delivered != reply.end() && delivered->is_object()) {
    answer.facts.delivered = delivered->value("consumer_seq", std::uint64_t{0});
  }
  return NATS_OK;
}

}  // namespace

tl::expected<ConsumerFacts, CallFailure> create_consumer(NatsClient& client,
                                                         const std::string& stream,
                                                         const json& config,
                                                         std::chrono::milliseconds patience) {
  const auto name = config.at("name").get<std::string>();
  const std::string subject = "$JS.API.CONSUMER.CREATE." + stream + "." + name + "." +
                              config.at("filter_subject").get<std::string>();
  const std::string what =
      config.contains("durable_name") ? "creating consumer " + name : "reading stream " + stream;
  const std::string request = json{{"stream_name", stream}, {"config", config}}.dump();
  Answer answer;
  auto made = client.call(what, patience, [&](jsErrCode* code) {
    natsMsg* raw = nullptr;
    const natsStatus s =
        natsConnection_Request(&raw, client.connection(), subject.c_str(), request.data(),
                               static_cast<int>(request.size()), NatsClient::kOneTry.count());
    const MsgHandle owned(raw);
    if (s != NATS_OK) return s;
    try {
      return read_answer(raw, answer, code);
    } catch (const json::exception& e) {  // a field of another type than the server's own
      answer.problem = e.what();
      return NATS_ERR;
    }
  });
  if (made) return answer.facts;
  CallFailure failure = made.error();
  if (!answer.problem.empty()) failure.failure.message = what + ": " + answer.problem;
  return tl::unexpected(failure);
}

}  // namespace tunesmith::bus
