// What a token server is given, and nobody else.
#include "registry/registry_auth.h"

#include <gmock/gmock.h>

#include <atomic>

#include "runtime/http_test_server.h"

namespace tunesmith::registry {
namespace {

using testing::HasSubstr;

TEST(RegistryAuth, AnIdentityTokenIsNotSentOnToWhereATokenServerRedirects) {
  Serving<> elsewhere, tokens;
  std::atomic<int> asked = 0;
  const auto take = [&](const httplib::Request&, httplib::Response& answer) {
    ++asked;
    answer.set_content(R"({"access_token":"t"})", "application/json");
  };
  elsewhere.server.Post("/token", take);
  elsewhere.server.Get("/token", take);
  std::string seen;
  tokens.server.Post("/token", [&](const httplib::Request& request, httplib::Response& answer) {
    seen = request.body;
    answer.set_redirect(elsewhere.url("/token"), 307);
  });
  const HttpClient http{HttpClientOptions{}};
  RegistryAuth auth(http, "r.example", {.user = {}, .password = {}, .identity_token = "1dentity"},
                    true);
  HttpResponse unauthorised;
  unauthorised.status = 401;
  unauthorised.headers.emplace("WWW-Authenticate", "Bearer realm=\"" + tokens.url("/token") + "\"");
  const auto answer = auth.answer(unauthorised, "repository:a:pull,push", {});
  EXPECT_FALSE(answer);
  EXPECT_THAT(seen, HasSubstr("1dentity"));
  EXPECT_EQ(asked, 0);
}

}  // namespace
}  // namespace tunesmith::registry
