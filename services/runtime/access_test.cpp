#include "runtime/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/text.h"
#include "temp_folder.h"

namespace tunesmith {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kUrl = "https://data.example.org/a.jsonl?sig=s3cret";
const Access kNone;
const Access kSome{.secret = "team/data", .authorization = "Bearer s3cret"};

HttpResponse answer(int status, const std::string& final_url = kUrl) {
  HttpResponse response;
  response.status = status;
  response.final_url = final_url;
  return response;
}
HttpResponse gated(int status) {
  HttpResponse response = answer(status, "https://hub.example.org/o/m/resolve/main/config.json");
  response.headers.emplace("X-Error-Code", "GatedRepo");
  return response;
}

// How a host answers, and what the refusal says.
struct Case {
  HttpResponse given;
  Access access;
  const char* reason;
  const char* says;
};

TEST(Access, IsReadFromTheNamedSecretOnly) {
  const testing_support::TempFolder temporary;
  const std::string folder = temporary.path().string();
  std::filesystem::create_directory(folder + "/team");
  ASSERT_TRUE(write_file(folder + "/team/data", R"({"token":"abc"})", 0600).has_value());
  ASSERT_TRUE(write_file(folder + "/team/hub", R"({"HF_TOKEN":"hf"})", 0600).has_value());

  const auto data = read_access(folder, "team", "data", AccessTo::kData);
  ASSERT_TRUE(data.has_value());
  EXPECT_EQ(data->secret, "team/data");
  EXPECT_EQ(data->authorization, "Bearer abc");
  EXPECT_EQ(read_access(folder, "team", "hub", AccessTo::kModelHub)->authorization, "Bearer hf");
  EXPECT_EQ(read_access("", "team", "", AccessTo::kData)->authorization, "");
  // A secret for one thing opens no other.
  EXPECT_EQ(read_access(folder, "team", "data", AccessTo::kModelHub).error().reason,
            "SecretInvalid");
  EXPECT_THAT(read_access(folder, "team", "x", AccessTo::kModelHub).error().message,
              HasSubstr("HF_TOKEN"));
}

TEST(Access, OriginsAreSchemeHostAndPort) {
  EXPECT_TRUE(same_origin("https://a.example/x", "https://A.example:443/y?z"));
  EXPECT_FALSE(same_origin("https://a.example/x", "http://a.example/x"));
  EXPECT_FALSE(same_origin("https://a.example/x", "https://a.example:8443/x"));
  EXPECT_FALSE(same_origin("https://a.example/x", "https://b.example/x"));
}

TEST(Access, DataRefusalsSayWhatToDo) {
  for (const auto& [given, access, reason, words] : {
           Case{answer(404), kNone, "DataNotFound", "answers 404"},
           Case{answer(410), kSome, "DataNotFound", "team/data"},
           Case{answer(401), kNone, "DataAccessDenied", "tunesmith.dev/data-secret"},
           Case{answer(403), kNone, "DataAccessDenied", "without credentials"},
           Case{answer(401), kSome, "DataAccessDenied", "wrong or have expired"},
           Case{answer(403), kSome, "DataAccessDenied", "the right to read it"},
           Case{answer(403, "https://cdn.example/a"), kSome, "DataAccessDenied", "another host"},
       }) {
    const auto failure = data_refusal(given, kUrl, access).value();
    EXPECT_EQ(failure.reason, reason);
    EXPECT_EQ(failure.failure_class, FailureClass::kPermanent);
    EXPECT_THAT(failure.message, HasSubstr(words));
    EXPECT_THAT(failure.message, HasSubstr("https://data.example.org/a.jsonl"));
    EXPECT_THAT(failure.message, Not(HasSubstr("s3cret")));
  }
}

TEST(Access, ModelRefusalsSayWhatToDo) {
  const std::string page = "https://hub.example.org/o/m";
  for (const auto& [given, access, reason, words] : {
           Case{gated(401), kNone, "ModelAccessDenied", "modelAccessSecret"},
           Case{gated(401), kNone, "ModelAccessDenied", "accept it at https://hub.example.org/o/m"},
           Case{gated(403), kSome, "ModelAccessDenied", "the token in the secret team/data"},
           Case{answer(401), kSome, "ModelAccessDenied", "wrong or has expired"},
           Case{answer(401), kNone, "ModelNotFound", "is not public"},
           Case{answer(404), kNone, "ModelNotFound", "modelAccessSecret"},
           Case{answer(404), kSome, "ModelNotFound", "may see it"},
       }) {
    const auto failure = model_refusal(given, "the model o/m", page, access).value();
    EXPECT_EQ(failure.reason, reason) << words;
    EXPECT_THAT(failure.message, HasSubstr(words));
    EXPECT_THAT(failure.message, HasSubstr("the model o/m"));
    EXPECT_THAT(failure.message, Not(HasSubstr("s3cret")));
  }
}

}  // namespace
}  // namespace tunesmith
