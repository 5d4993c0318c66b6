// A token server for docker-registry's `auth: token`: checks a user or a refresh token, signs JSON
// web tokens with a key made for the test. Also answers Azure Container Registry's
// /oauth2/exchange.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace tunesmith::testing_support {

struct TokenServerOptions {
  std::string user = {}, password = {};  // for GET with basic authentication
  std::string refresh_token = {};        // for POST grant_type=refresh_token
  std::string assertion = {};    // for POST /tenant/oauth2/v2.0/token, which gives entra_token
  std::string entra_token = {};  // for POST /oauth2/exchange, which gives refresh_token
  std::string allowed_repository = {};  // tokens for other repositories grant nothing
  std::string service = "registry.tests", issuer = "tests";
  int lifetime_s = 300;
};

// Serves on a thread it owns. Files lie in `folder`, which outlives it.
class TokenServer {
 public:
  TokenServer(TokenServerOptions options, const std::filesystem::path& folder);
  ~TokenServer();
  TokenServer(const TokenServer&) = delete;
  TokenServer& operator=(const TokenServer&) = delete;

  std::string realm() const;  // "http://127.0.0.1:PORT/token"
  std::uint16_t port() const;
  std::filesystem::path certificate() const;
  const TokenServerOptions& options() const;
  // "GET basic", "GET anonymous", "POST refresh_token", "POST exchange", "POST entra", each with "
  // refused" when it was.
  std::vector<std::string> requests() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tunesmith::testing_support
