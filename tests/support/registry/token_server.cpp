#include "registry/token_server.h"

#include <httplib.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <chrono>
#include <cstdio>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

namespace tunesmith::testing_support {

namespace {

using nlohmann::json;

std::string base64(const std::string& bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::string base64url(const std::string& bytes) {
  std::string out = base64(bytes);
  while (out.ends_with('=')) out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

// An RSA key and its self-signed certificate.
class Signer {
 public:
  Signer() : key_(EVP_RSA_gen(2048)), certificate_(X509_new()) {
    X509_set_version(certificate_, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate_), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate_), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate_), 24 * 3600);
    X509_set_pubkey(certificate_, key_);
    X509_NAME* name = X509_get_subject_name(certificate_);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("tests"), -1, -1, 0);
    X509_set_issuer_name(certificate_, name);
    if (X509_sign(certificate_, key_, EVP_sha256()) == 0) throw std::runtime_error("X509_sign");
  }
  ~Signer() {
    X509_free(certificate_);
    EVP_PKEY_free(key_);
  }
  Signer(const Signer&) = delete;
  Signer& operator=(const Signer&) = delete;

  void write_certificate(const std::filesystem::path& file) const {
    FILE* out = std::fopen(file.c_str(), "w");
    PEM_write_X509(out, certificate_);
    std::fclose(out);
  }
  std::string certificate_der() const {
    unsigned char* der = nullptr;
    const int size = i2d_X509(certificate_, &der);
    std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    return out;
  }
  std::string token(const json& claims) const {
    const json header = {{"typ", "JWT"}, {"alg", "RS256"}, {"x5c", {base64(certificate_der())}}};
    const std::string signed_part = base64url(header.dump()) + "." + base64url(claims.dump());
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key_);
    const auto* data = reinterpret_cast<const unsigned char*>(signed_part.data());
    std::size_t size = 0;
    EVP_DigestSign(context, nullptr, &size, data, signed_part.size());
    std::string signature(size, '\0');
    EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size, data,
                   signed_part.size());
    EVP_MD_CTX_free(context);
    signature.resize(size);
    return signed_part + "." + base64url(signature);
  }

 private:
  EVP_PKEY* key_;
  X509* certificate_;
};

}  // namespace

struct TokenServer::State {
  TokenServerOptions options;
  std::filesystem::path certificate;
  Signer signer;
  httplib::Server server;
  int port = 0;
  mutable std::mutex mutex;
  std::vector<std::string> requests;
  std::thread thread;

  void note(const std::string& what) {
    const std::lock_guard lock(mutex);
    requests.push_back(what);
  }
  static void refuse(httplib::Response& response) {
    response.status = 401;
    response.set_content(R"({"error":"invalid_grant","error_description":"not you"})",
                         "application/json");
  }
  // "repository:a/b:pull,push" → what is granted of it.
  json access(const std::string& scope) const {
    const auto first = scope.find(':'), last = scope.rfind(':');
    if (first == std::string::npos || first == last) return json::array();
    const std::string name = scope.substr(first + 1, last - first - 1);
    if (name != options.allowed_repository) return json::array();
    return {{{"type", "repository"}, {"name", name}, {"actions", {"pull", "push"}}}};
  }
  void grant(const std::string& scope, httplib::Response& response, const char* field) {
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
    const json claims = {{"iss", options.issuer},
                         {"sub", "tests"},
                         {"aud", options.service},
                         {"exp", now + options.lifetime_s},
                         {"nbf", now - 10},
                         {"iat", now},
                         {"jti", "1"},
                         {"access", access(scope)}};
    response.set_content(json{{field, signer.token(claims)}}.dump(), "application/json");
  }
  void serve();
};

void TokenServer::State::serve() {
  server.Get("/token", [this](const httplib::Request& request, httplib::Response& response) {
    const std::string given = request.get_header_value("Authorization");
    const bool allowed = given == "Basic " + base64(options.user + ":" + options.password);
    note(std::string(given.empty() ? "GET anonymous" : "GET basic") + (allowed ? "" : " refused"));
    if (!allowed) return refuse(response);
    grant(request.get_param_value("scope"), response, "token");
  });
  server.Post("/token", [this](const httplib::Request& request, httplib::Response& response) {
    const bool allowed = request.get_param_value("grant_type") == "refresh_token" &&
                         request.get_param_value("service") == options.service &&
                         request.get_param_value("refresh_token") == options.refresh_token;
    note(std::string("POST refresh_token") + (allowed ? "" : " refused"));
    if (!allowed) return refuse(response);
    grant(request.get_param_value("scope"), response, "access_token");
  });
  server.Post("/oauth2/exchange", [this](const httplib::Request& request,
                                         httplib::Response& response) {
    const bool allowed = request.get_param_value("grant_type") == "access_token" &&
                         !request.get_param_value("service").empty() &&
                         !options.entra_token.empty() &&
                         request.get_param_value("access_token") == options.entra_token;
    note(std::string("POST exchange") + (allowed ? "" : " refused"));
    if (!allowed) return refuse(response);
    response.set_content(json{{"refresh_token", options.refresh_token}}.dump(), "application/json");
  });
  server.Post("/tenant/oauth2/v2.0/token", [this](const httplib::Request& request,
                                                  httplib::Response& response) {
    const bool allowed = !options.assertion.empty() &&
                         request.get_param_value("client_assertion") == options.assertion &&
                         request.get_param_value("grant_type") == "client_credentials";
    note(std::string("POST entra") + (allowed ? "" : " refused"));
    if (!allowed) return refuse(response);
    response.set_content(json{{"access_token", options.entra_token}}.dump(), "application/json");
  });
  port = server.bind_to_any_port("127.0.0.1");
  thread = std::thread([this] { server.listen_after_bind(); });
  // stop() does nothing before the server runs.
  while (!server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

TokenServer::TokenServer(TokenServerOptions options, const std::filesystem::path& folder)
    : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  state_->certificate = folder / "token-signer.pem";
  state_->signer.write_certificate(state_->certificate);
  state_->serve();
}

TokenServer::~TokenServer() {
  state_->server.stop();
  state_->thread.join();
}

std::string TokenServer::realm() const {
  return "http://127.0.0.1:" + std::to_string(state_->port) + "/token";
}
std::uint16_t TokenServer::port() const { return static_cast<std::uint16_t>(state_->port); }
std::filesystem::path TokenServer::certificate() const { return state_->certificate; }
const TokenServerOptions& TokenServer::options() const { return state_->options; }
std::vector<std::string> TokenServer::requests() const {
  const std::lock_guard lock(state_->mutex);
  return state_->requests;
}

}  // namespace tunesmith::testing_support
