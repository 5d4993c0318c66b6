#include "bus/nats_client.h"

#include <array>
#include <cstring>

#include "runtime/retry.h"
#include "runtime/text.h"

namespace tunesmith::bus {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

bool may_go_away(natsStatus status, int code) {
  switch (code) {
    case 0:
      break;
    case 10006:  // JetStream not clustered yet
    case 10008:  // JetStream temporarily unavailable
    case 10009:  // not the leader
    case 10023:  // insufficient resources
    case 10118:  // in maintenance
      return true;
    default:
      return false;
  }
  switch (status) {
    case NATS_TIMEOUT:
    case NATS_NO_RESPONDERS:
    case NATS_CONNECTION_DISCONNECTED:
    case NATS_CONNECTION_CLOSED:
    case NATS_IO_ERROR:
    case NATS_NO_SERVER:
    case NATS_STALE_CONNECTION:
    case NATS_INSUFFICIENT_BUFFER:
      return true;
    default:
      return false;
  }
}

std::string last_error(natsStatus status) {
  const char* text = nats_GetLastError(nullptr);
  return text != nullptr && *text != '\0' ? text : natsStatus_GetText(status);
}

Failure failure_of(const std::string& what, natsStatus status, int code, const std::string& text) {
  Failure failure{FailureClass::kPermanent, "BusRefused", what + ": " + text};
  if (code == 10047 || code == 10028 || code == js_code::kStoreFailed) {
    failure = {FailureClass::kTransient, "StorageFull", failure.message};
  } else if (code == js_code::kStreamNotFound) {
    failure.reason = "BusNotInitialised";
    failure.message += "; run `tunesmith bus init`";
  } else if (status == NATS_NOT_PERMITTED) {
    failure.reason = "BusNotPermitted";
    failure.message = what + ": this user may not; see docs/bus.md, Permissions";
  } else if (code == js_code::kMessageTooLarge || status == NATS_MAX_PAYLOAD) {
    failure.reason = "EventTooLarge";
  }
  return failure;
}

}  // namespace

// False at the deadline, and at a stop unless `stopping` is known already.
bool NatsClient::wait_connected(steady_clock::time_point deadline, bool stopping) {
  std::unique_lock lock(mutex_);
  return state_changed_.wait_until(lock, stopping ? std::stop_token() : stop_, deadline,
                                   [&] { return connected(); });
}

tl::expected<void, CallFailure> NatsClient::call(
    const std::string& what, milliseconds patience,
    const std::function<natsStatus(jsErrCode*)>& attempt) {
  auto deadline = steady_clock::now() + patience;
  Backoff backoff({.first = milliseconds(100), .most = milliseconds(1'000)}, 1);
  std::string text = "not connected";
  bool stopping = false;
  while (true) {
    if (!stopping && stop_.stop_requested()) {
      stopping = true;
      deadline = std::min(deadline, steady_clock::now() + kStoppingPatience);
    }
    jsErrCode code{};
    if (wait_connected(deadline, stopping)) {
      const natsStatus status = attempt(&code);
      if (status == NATS_OK) return {};
      text = last_error(status);
      if (!may_go_away(status, code)) {
        return tl::unexpected(CallFailure{failure_of(what, status, code, text), code});
      }
      log_.debug("repeating a call", {{"what", what}, {"problem", text}});
    }
    const auto pause = backoff.next();
    if (steady_clock::now() + pause >= deadline) break;
    wait_for(pause, stopping ? std::stop_token() : stop_);
  }
  return tl::unexpected(CallFailure{
      {FailureClass::kTransient, "BusUnavailable", what + ": no answer from NATS (" + text + ")"},
      0});
}

tl::expected<std::uint64_t, CallFailure> NatsClient::store(const std::string& subject,
                                                           std::string_view data,
                                                           const Headers& headers,
                                                           const StoreOptions& options) {
  const std::string id = options.message_id.empty() ? new_nuid() : options.message_id;
  std::uint64_t sequence = 0;
  auto called = call("storing on " + subject, options.patience, [&](jsErrCode* code) {
    natsMsg* raw = nullptr;
    natsStatus s =
        natsMsg_Create(&raw, subject.c_str(), nullptr, data.data(), static_cast<int>(data.size()));
    if (s != NATS_OK) return s;
    const MsgHandle msg(raw);
    for (const auto& [name, value] : headers) {
      if (s == NATS_OK) s = natsMsgHeader_Set(raw, name.c_str(), value.c_str());
    }
    jsPubOptions publish;
    jsPubOptions_Init(&publish);
    publish.MaxWait = std::min(options.patience, NatsClient::kOneTry).count();
    publish.MsgId = id.c_str();
    if (options.last_subject_sequence) {
      publish.ExpectLastSubjectSeq = *options.last_subject_sequence;
      publish.ExpectNoMessage = *options.last_subject_sequence == 0;
    }
    jsPubAck* ack = nullptr;
    if (s == NATS_OK) s = js_PublishMsg(&ack, jetstream_, raw, &publish, code);
    const PubAckHandle owned(ack);
    if (s == NATS_TIMEOUT && refused(subject)) s = NATS_NOT_PERMITTED;
    if (s == NATS_OK) sequence = ack->Sequence;
    return s;
  });
  if (!called) return tl::unexpected(called.error());
  return sequence;
}

void NatsClient::send(const std::string& subject, const std::string& reply, std::string_view data) {
  const natsStatus s =
      reply.empty() ? natsConnection_Publish(connection_, subject.c_str(), data.data(),
                                             static_cast<int>(data.size()))
                    : natsConnection_PublishRequest(connection_, subject.c_str(), reply.c_str(),
                                                    data.data(), static_cast<int>(data.size()));
  if (s != NATS_OK) log_.debug("cannot send", {{"subject", subject}, {"problem", last_error(s)}});
}

void NatsClient::flush(milliseconds limit) {
  if (connected()) natsConnection_FlushTimeout(connection_, limit.count());
}

std::string NatsClient::new_inbox() { return inbox_prefix_ + "." + new_nuid(); }

std::string NatsClient::new_nuid() {
  natsInbox* inbox = nullptr;  // "_INBOX.<nuid>"
  if (natsInbox_Create(&inbox) != NATS_OK) throw std::bad_alloc();
  std::string nuid = inbox;
  natsInbox_Destroy(inbox);
  return nuid.substr(nuid.rfind('.') + 1);
}

void NatsClient::wake_on_reconnect(std::shared_ptr<Mailbox> mailbox) {
  const std::scoped_lock lock(mutex_);
  mailboxes_.insert(std::move(mailbox));
}

void NatsClient::forget(const std::shared_ptr<Mailbox>& mailbox) {
  const std::scoped_lock lock(mutex_);
  mailboxes_.erase(mailbox);
}

void NatsClient::was_refused(std::string what) {
  // The call that was refused only sees that no answer comes.
  log_.error("NATS refuses what this user may not do: see docs/bus.md, Permissions",
             {{"problem", what}});
  const std::scoped_lock lock(mutex_);
  refusal_ = std::move(what);
}

bool NatsClient::refused(const std::string& subject) {
  const std::scoped_lock lock(mutex_);
  return refusal_.find('"' + subject + '"') != std::string::npos;
}

void NatsClient::changed(const char* what, bool reconnected) {
  const std::scoped_lock lock(mutex_);
  if (!closing_) log_.info(what);
  if (reconnected) {
    ++reconnects_;
    for (const auto& mailbox : mailboxes_) mailbox->wake();
  }
  state_changed_.notify_all();
}

}  // namespace tunesmith::bus
