// Opening and closing the connection: options, authentication, patience at start, state callbacks.
#include <filesystem>
#include <memory>

#include "bus/nats_client.h"
#include "runtime/retry.h"
#include "runtime/text.h"

namespace tunesmith::bus {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// nats.c calls these on threads of its own.
struct ClientCallbacks {
  static NatsClient& self(void* closure) { return *static_cast<NatsClient*>(closure); }
  static void disconnected(natsConnection*, void* closure) {
    self(closure).changed("connection to NATS lost", false);
  }
  static void reconnected(natsConnection*, void* closure) {
    self(closure).changed("connection to NATS is back", true);
  }
  static void closed(natsConnection*, void* closure) { self(closure).was_closed(); }
  static void error(natsConnection* connection, natsSubscription*, natsStatus status,
                    void* closure) {
    if (status == NATS_NOT_PERMITTED) {
      const char* text = nullptr;
      natsConnection_GetLastError(connection, &text);
      self(closure).was_refused(text == nullptr ? "" : text);
      return;
    }
    self(closure).log_.warning("NATS reports a problem", {{"problem", natsStatus_GetText(status)}});
  }
};

namespace {

using OptionsHandle = std::unique_ptr<natsOptions, NatsDelete<natsOptions_Destroy>>;

Result<std::string> password_in(const std::string& file) {
  auto text = read_file(file, 64u << 10);
  if (!text) return tl::unexpected(text.error());
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  return text;
}

Result<void> set_authentication(natsOptions* handle, const ConnectionOptions& options) {
  natsStatus s = NATS_OK;
  if (!options.credentials_file.empty()) {
    s = natsOptions_SetUserCredentialsFromFiles(handle, options.credentials_file.c_str(), nullptr);
  } else if (!options.user.empty()) {
    auto password = password_in(options.password_file);
    if (!password) return tl::unexpected(password.error());
    s = natsOptions_SetUserInfo(handle, options.user.c_str(), password->c_str());
  }
  if (s == NATS_OK && (options.url.starts_with("tls://") || !options.ca_file.empty() ||
                       !options.certificate_file.empty())) {
    s = natsOptions_SetSecure(handle, true);
    if (s == NATS_OK && !options.ca_file.empty()) {
      s = natsOptions_LoadCATrustedCertificates(handle, options.ca_file.c_str());
    }
    if (s == NATS_OK && !options.certificate_file.empty()) {
      s = natsOptions_LoadCertificatesChain(handle, options.certificate_file.c_str(),
                                            options.key_file.c_str());
    }
  }
  if (s == NATS_OK) return {};
  return permanent("BusAuthentication", std::string("credentials or TLS files cannot be used: ") +
                                            natsStatus_GetText(s));
}

// Three pings without an answer: a dead peer is noticed. Reconnect for ever.
natsStatus set_behaviour(natsOptions* handle, const ConnectionOptions& options, void* closure) {
  natsStatus s = natsOptions_SetURL(handle, options.url.c_str());
  if (s == NATS_OK) s = natsOptions_SetName(handle, options.name.c_str());
  if (s == NATS_OK && !options.inbox_prefix.empty()) {
    s = natsOptions_SetCustomInboxPrefix(handle, options.inbox_prefix.c_str());
  }
  if (s == NATS_OK) s = natsOptions_SetTimeout(handle, 5'000);
  if (s == NATS_OK) s = natsOptions_SetPingInterval(handle, options.ping_interval.count());
  if (s == NATS_OK) s = natsOptions_SetMaxPingsOut(handle, 3);
  if (s == NATS_OK) s = natsOptions_SetMaxReconnect(handle, -1);
  if (s == NATS_OK) s = natsOptions_SetReconnectWait(handle, 250);
  if (s == NATS_OK) s = natsOptions_SetReconnectJitter(handle, 250, 250);
  if (s == NATS_OK) s = natsOptions_SetFailRequestsOnDisconnect(handle, true);
  if (s == NATS_OK)
    s = natsOptions_SetDisconnectedCB(handle, ClientCallbacks::disconnected, closure);
  if (s == NATS_OK) s = natsOptions_SetReconnectedCB(handle, ClientCallbacks::reconnected, closure);
  if (s == NATS_OK) s = natsOptions_SetClosedCB(handle, ClientCallbacks::closed, closure);
  if (s == NATS_OK) s = natsOptions_SetErrorHandler(handle, ClientCallbacks::error, closure);
  return s;
}

}  // namespace

Result<void> NatsClient::connect(const ConnectionOptions& options) {
  if (options.url.find('@') != std::string::npos) {
    return permanent("ConfigInvalid",
                     "nats_url holds a user or password, which would end up in logs: give "
                     "nats_user and nats_password_file");
  }
  if (!options.inbox_prefix.empty()) inbox_prefix_ = options.inbox_prefix;
  natsOptions* raw = nullptr;
  if (natsOptions_Create(&raw) != NATS_OK) throw std::bad_alloc();
  const OptionsHandle handle(raw);
  if (auto set = set_authentication(raw, options); !set) return set;
  if (const natsStatus s = set_behaviour(raw, options, this); s != NATS_OK) {
    return permanent("ConfigInvalid", "nats_url " + options.url + ": " + natsStatus_GetText(s));
  }
  const auto deadline = steady_clock::now() + options.connect_timeout;
  Backoff backoff({.first = milliseconds(100), .most = milliseconds(2'000)}, 1);
  while (true) {
    const natsStatus s = natsConnection_Connect(&connection_, raw);
    if (s == NATS_OK) break;
    const std::string text = natsStatus_GetText(s);
    if (s == NATS_CONNECTION_AUTH_FAILED) {
      return permanent("BusAuthentication", "NATS at " + options.url +
                                                " refuses these credentials: check nats_user and "
                                                "nats_password_file, or nats_credentials_file");
    }
    const auto pause = backoff.next();
    if (steady_clock::now() + pause >= deadline || !wait_for(pause, stop_)) {
      return transient("BusUnavailable",
                       "no NATS server answers at " + options.url + " (" + text + "); tried for " +
                           std::to_string(options.connect_timeout.count()) + " ms");
    }
  }
  jsOptions js;
  jsOptions_Init(&js);
  js.Wait = kOneTry.count();
  if (natsConnection_JetStream(&jetstream_, connection_, &js) != NATS_OK) throw std::bad_alloc();
  return {};
}

Result<std::unique_ptr<NatsClient>> NatsClient::open(const ConnectionOptions& options,
                                                     const Log& log, std::stop_token stop) {
  std::unique_ptr<NatsClient> client(new NatsClient(log, std::move(stop)));
  if (auto connected = client->connect(options); !connected) {
    return tl::unexpected(connected.error());
  }
  return client;
}

bool NatsClient::connected() const {
  return connection_ != nullptr && natsConnection_Status(connection_) == NATS_CONN_STATUS_CONNECTED;
}

void NatsClient::was_closed() {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  state_changed_.notify_all();
}

NatsClient::~NatsClient() {
  if (connection_ == nullptr) return;
  flush(milliseconds(1'000));
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
  }
  jsCtx_Destroy(jetstream_);
  natsConnection_Close(connection_);
  {
    // Its callbacks use this object; the one of the closing comes last.
    std::unique_lock lock(mutex_);
    state_changed_.wait(lock, [&] { return closed_; });
  }
  natsConnection_Destroy(connection_);
}

}  // namespace tunesmith::bus
