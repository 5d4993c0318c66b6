#include "registry/registry_errors.h"

#include <gmock/gmock.h>

namespace tunesmith::registry {
namespace {

using testing::HasSubstr;

struct Case {
  int status;
  const char* body;
  FailureClass failure_class;
  const char* reason;
  const char* told;
};

class Refusals : public testing::TestWithParam<Case> {};

TEST_P(Refusals, AreClassified) {
  HttpResponse response;
  response.status = GetParam().status;
  response.body = GetParam().body;
  const Failure failure =
      registry_failure(response, "registry r.example", "repository:a/b:pull,push");
  EXPECT_EQ(failure.failure_class, GetParam().failure_class);
  EXPECT_EQ(failure.reason, GetParam().reason);
  EXPECT_THAT(failure.message, HasSubstr("registry r.example"));
  EXPECT_THAT(failure.message, HasSubstr(GetParam().told));
}

constexpr const char* kUnauthorized =
    R"({"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]})";

INSTANTIATE_TEST_SUITE_P(
    Answers, Refusals,
    testing::Values(
        Case{401, kUnauthorized, FailureClass::kPermanent, "PushDenied",
             "refuses repository:a/b:pull,push (401: UNAUTHORIZED authentication required); give"},
        Case{403, "<html>", FailureClass::kPermanent, "PushDenied", "(403)"},
        Case{404, R"({"errors":[{"code":"NAME_UNKNOWN","message":"no such"}]})",
             FailureClass::kPermanent, "RepositoryNotFound", "NAME_UNKNOWN no such"},
        Case{404, "not here", FailureClass::kPermanent, "RegistryNotFound", "OCI distribution"},
        Case{408, "", FailureClass::kTransient, "RegistryUnavailable", "(408)"},
        Case{429, R"({"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]})",
             FailureClass::kTransient, "RegistryUnavailable", "TOOMANYREQUESTS slow down"},
        Case{503, "", FailureClass::kTransient, "RegistryUnavailable", "(503)"},
        Case{413, "", FailureClass::kPermanent, "PushRefused", "(413)"},
        Case{405, R"({"errors":[{"code":"UNSUPPORTED","message":"read\n only"}]})",
             FailureClass::kPermanent, "PushRefused", "UNSUPPORTED read? only"},
        Case{400, R"({"error":"invalid_grant","error_description":"expired"})",
             FailureClass::kPermanent, "PushRefused", "invalid_grant expired"}));

TEST(RegistryFailure, QuotesAtMost200Characters) {
  HttpResponse response;
  response.status = 400;
  response.body = R"({"errors":[{"code":")" + std::string(5000, 'x') + R"("}]})";
  EXPECT_LT(registry_failure(response, "r", "s").message.size(), 300u);
}

TEST(RegistryFailure, OfAPullHaveNamesOfTheirOwn) {
  const auto reason = [](int status, const char* body) {
    HttpResponse response;
    response.status = status;
    response.body = body;
    const auto failure =
        registry_failure(response, "registry r", "repository:a:pull", Access::kPull);
    EXPECT_THAT(failure.message, testing::Not(HasSubstr("push")));
    return failure.reason;
  };
  const char* error = R"({"errors":[{"code":"X","message":"y"}]})";
  EXPECT_EQ(reason(401, error), "ImageAccessDenied");
  EXPECT_EQ(reason(403, ""), "ImageAccessDenied");
  EXPECT_EQ(reason(404, error), "ImageNotFound");
  EXPECT_EQ(reason(404, ""), "RegistryNotFound");
  EXPECT_EQ(reason(416, error), "ImageNotReadable");
  EXPECT_EQ(reason(503, error), "RegistryUnavailable");
}

}  // namespace
}  // namespace tunesmith::registry
