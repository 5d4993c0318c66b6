// What the planner shows to whom: credentials of private data and gated models, files of this
// machine, several files. Hosts of the test's own, the real tunesmith-inspect.
#include "planner/preflight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "file_host/file_host.h"
#include "runtime/sha256.h"
#include "runtime/text.h"
#include "temp_folder.h"
#include "workspace/documents.h"

namespace tunesmith::planner {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
namespace fs = std::filesystem;
using tunesmith::testing::Fault;
using tunesmith::testing::FileHost;

constexpr const char* kToken = "s3cret-token";
constexpr const char* kModel = "/HuggingFaceTB/SmolLM2-135M-Instruct/resolve/*";

class PreflightTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const fs::path model = root_ / "www/models/HuggingFaceTB/SmolLM2-135M-Instruct";
    write(model / "config.json", R"({"model_type":"llama","vocab_size":49152,"hidden_size":576,
      "intermediate_size":1536,"num_hidden_layers":30,"num_attention_heads":9,
      "num_key_value_heads":3,"tie_word_embeddings":true})");
    write(model / "tokenizer.json", "{}");
    write(model / "model.safetensors", "weights");
    write(root_ / "www/train.jsonl", kRow);
    for (auto* host : {&host_, &other_}) {
      auto started = FileHost::start({.root = root_ / "www"});
      ASSERT_TRUE(started.has_value()) << started.error();
      *host = std::move(*started);
    }
    fs::create_directories(root_ / "secrets/team");
    secret("data", json{{"token", kToken}});
    secret("login", json{{"username", "me"}, {"password", kToken}});
    secret("hub", json{{"HF_TOKEN", kToken}});
    secret("wrong", json{{"token", "wrong"}, {"HF_TOKEN", "wrong"}});
  }

  static void write(const fs::path& file, const std::string& text) {
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
  }
  void secret(const std::string& name, const json& values) {
    ASSERT_TRUE(write_file(root_ / "secrets/team" / name, values.dump(), 0600).has_value());
  }
  // A fault of one path.
  static Fault at(const std::string& path, const std::function<void(Fault&)>& set) {
    Fault fault;
    fault.path = path;
    set(fault);
    return fault;
  }
  static void ask_token(Fault& fault) { fault.bearer_token = kToken; }

  // A Workspace that trains on `urls`, with the secrets of those names.
  Result<Facts> ask(const std::vector<std::string>& urls, const std::string& data_secret = "",
                    const std::string& model_secret = "") {
    json object = *workspace::parse_value(R"(
apiVersion: kaito.sh/v1beta1
kind: Workspace
metadata: {name: w, namespace: team, annotations: {}}
resource: {labelSelector: {matchLabels: {app: a}}}
tuning:
  preset: {name: smollm2-135m-instruct}
  method: qlora
  output: {image: "registry.example.org/a:1", imagePushSecret: push}
)");
    object["tuning"]["input"]["urls"] = urls;
    if (!data_secret.empty()) {
      object["metadata"]["annotations"]["tunesmith.dev/data-secret"] = data_secret;
    }
    if (!model_secret.empty()) {
      object["tuning"]["preset"]["presetOptions"]["modelAccessSecret"] = model_secret;
    }
    events::v1::WorkspaceObserved observed;
    observed.mutable_workspace()->set_generation(1);
    observed.set_manifest_json(object.dump());
    request_ = *read_request(
        observed, {.allowed_data_hosts = {"127.0.0.1"}, .allowed_data_paths = {root_ / "local"}});
    const ModelHub hub(http_, host_->url());
    const Inspector inspector(std::string(TUNESMITH_BIN_DIR) + "/tunesmith-inspect",
                              root_ / "pieces");
    const PreflightTools tools{hub,     data_http_,        inspector,
                               nullptr, root_ / "secrets", {root_ / "local"}};
    const Patience patience{
        .clock = clock_,
        .deadline = clock_.steady_now() + std::chrono::minutes(1),
        .backoff = {.first = std::chrono::milliseconds(1), .most = std::chrono::milliseconds(5)},
        .stop = {},
        .on_retry = [](const Failure&) {}};
    return preflight(*request_, tools, patience);
  }
  // The reason; the message holds `words` and no secret.
  static std::string refusal(const Result<Facts>& facts, const std::string& words) {
    EXPECT_FALSE(facts.has_value());
    if (facts) return "";
    EXPECT_THAT(facts.error().message, AllOf(HasSubstr(words), Not(HasSubstr(kToken))));
    return facts.error().reason;
  }
  std::string data(const std::string& name = "train.jsonl") const {
    return host_->url() + "/" + name;
  }

  static constexpr const char* kRow =
      R"({"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho"}]})"
      "\n";
  testing_support::TempFolder temporary_;
  const fs::path root_ = temporary_.path();
  std::unique_ptr<FileHost> host_, other_;
  SystemClock clock_;
  HttpClient http_{HttpClientOptions{}};
  HttpClient data_http_{HttpClientOptions{.guard_addresses = true, .allowed_hosts = {"127.0.0.1"}}};
  std::optional<TuningRequest> request_;
};

TEST_F(PreflightTest, PrivateDataIsReadWithTheNamedSecret) {
  host_->set_faults({at("/train.jsonl", ask_token)});
  const auto facts = ask({data()}, "data");
  ASSERT_TRUE(facts.has_value()) << facts.error().message;
  EXPECT_EQ(facts->data[0].file.secret(), "data");
  const auto plan = make_plan(*request_, *facts, {});
  ASSERT_TRUE(plan.has_value());
  EXPECT_THAT(plan->DebugString(), AllOf(HasSubstr("secret: \"data\""), Not(HasSubstr(kToken))));
  EXPECT_THAT(plan->notes(0), HasSubstr("without encryption"));

  host_->set_faults(
      {at("/train.jsonl", [](Fault& fault) { fault.basic_auth = std::string("me:") + kToken; })});
  EXPECT_TRUE(ask({data()}, "login").has_value());
  EXPECT_EQ(refusal(ask({data()}, "data"), "wrong or have expired"), "DataAccessDenied");
}

TEST_F(PreflightTest, RefusalsOfDataAreToldApart) {
  host_->set_faults({at("/train.jsonl", ask_token)});
  EXPECT_EQ(refusal(ask({data()}), "tunesmith.dev/data-secret"), "DataAccessDenied");
  EXPECT_EQ(refusal(ask({data()}, "wrong"), "team/wrong"), "DataAccessDenied");
  EXPECT_EQ(refusal(ask({data()}, "hub"), "key token"), "SecretInvalid");
  EXPECT_EQ(refusal(ask({data("none.jsonl")}, "data"), "answers 404"), "DataNotFound");
  host_->set_faults({at("/train.jsonl", [](Fault& fault) { fault.status = 403; })});
  EXPECT_EQ(refusal(ask({data()}, "data"), "the right to read it"), "DataAccessDenied");
}

TEST_F(PreflightTest, TheSecretStaysWithTheHostThatTheUserWrote) {
  const std::string elsewhere = other_->url() + "/train.jsonl";
  host_->set_faults({at("/train.jsonl", ask_token),
                     at("/train.jsonl", [&](Fault& f) { f.redirect = elsewhere; })});
  ASSERT_TRUE(ask({data()}, "data").has_value());
  ASSERT_FALSE(other_->requests().empty());
  for (const auto& request : other_->requests()) EXPECT_FALSE(request.authorized);

  other_->set_faults({at("/train.jsonl", ask_token)});
  EXPECT_EQ(refusal(ask({data()}, "data"), "leads to another host"), "DataAccessDenied");
  for (const auto& request : other_->requests()) EXPECT_FALSE(request.authorized);
}

TEST_F(PreflightTest, TheDataSecretIsNotShownToTheHubNorTheHubsToTheDataHost) {
  other_->set_faults({at("/train.jsonl", ask_token)});
  ASSERT_TRUE(ask({other_->url() + "/train.jsonl"}, "data").has_value());
  for (const auto& request : host_->requests()) EXPECT_FALSE(request.authorized) << request.path;
  host_->set_faults({at(kModel, ask_token)});
  other_->set_faults({});
  const auto before = other_->requests().size();
  ASSERT_TRUE(ask({other_->url() + "/train.jsonl"}, "", "hub").has_value());
  const auto seen = other_->requests();
  for (std::size_t i = before; i < seen.size(); ++i) EXPECT_FALSE(seen[i].authorized);
}

TEST_F(PreflightTest, AMissingSecretIsNamedBeforeAnybodyIsAsked) {
  const auto facts = ask({data()}, "late");
  EXPECT_EQ(refusal(facts, "team/late"), "SecretMissing");
  EXPECT_EQ(facts.error().failure_class, FailureClass::kTransient);
  EXPECT_EQ(refusal(ask({data()}, "", "late"), "HF_TOKEN"), "SecretMissing");
  EXPECT_TRUE(host_->requests().empty());
}

TEST_F(PreflightTest, AGatedModelIsOpenedByTheNamedSecret) {
  host_->set_faults({at(kModel, ask_token)});
  const auto facts = ask({data()}, "", "hub");
  ASSERT_TRUE(facts.has_value()) << facts.error().message;
  const auto plan = make_plan(*request_, *facts, {});
  EXPECT_EQ(plan->tuning().model().access_secret(), "hub");
  EXPECT_THAT(plan->DebugString(), Not(HasSubstr(kToken)));
  // Who opened it does not change what is trained.
  host_->set_faults({});
  const auto open = ask({data()});
  EXPECT_EQ(make_plan(*request_, *open, {})->tuning_key(), plan->tuning_key());
}

TEST_F(PreflightTest, RefusalsOfModelsSayWhatToDo) {
  host_->set_faults({at(kModel, ask_token)});
  EXPECT_EQ(refusal(ask({data()}), "modelAccessSecret"), "ModelAccessDenied");
  EXPECT_EQ(refusal(ask({data()}, "", "wrong"), "team/wrong"), "ModelAccessDenied");
  EXPECT_EQ(refusal(ask({data()}, "", "data"), "HF_TOKEN"), "SecretInvalid");
}

TEST_F(PreflightTest, SeveralFilesOfSeveralFormatsOfOneLayout) {
  write(root_ / "www/text.jsonl", "{\"text\": \"abc\"}\n");
  write(root_ / "www/text.csv", "text\nabc\ndef\n");
  const auto facts = ask({data("text.jsonl"), data("text.csv")});
  ASSERT_TRUE(facts.has_value()) << facts.error().message;
  const auto plan = make_plan(*request_, *facts, {});
  ASSERT_TRUE(plan.has_value()) << plan.error().message;
  EXPECT_EQ(plan->tuning().data().rows(), 3u);
  EXPECT_EQ(plan->tuning().data().files(1).path(), "001-text.csv");
  // Their order decides what is learnt first.
  const auto turned = ask({data("text.csv"), data("text.jsonl")});
  EXPECT_NE(make_plan(*request_, *turned, {})->tuning_key(), plan->tuning_key());

  const auto mixed = ask({data("text.jsonl"), data("train.jsonl")});
  const auto refused = make_plan(*request_, *mixed, {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "MixedLayouts");
  EXPECT_THAT(refused.error().message, HasSubstr("train.jsonl"));
}

TEST_F(PreflightTest, OneMissingAmongSeveralIsNamed) {
  EXPECT_EQ(refusal(ask({data(), data("none.jsonl"), data("train.jsonl?again")}), "/none.jsonl"),
            "DataNotFound");
}

TEST_F(PreflightTest, AFileOfThisMachineIsKnownByItsContent) {
  write(root_ / "local/a.jsonl", kRow);
  const std::string url = "file://" + (root_ / "local/a.jsonl").string();
  const auto facts = ask({url}, "data");
  ASSERT_TRUE(facts.has_value()) << facts.error().message;
  EXPECT_EQ(facts->data[0].file.sha256(), sha256_hex(kRow));
  EXPECT_EQ(facts->data[0].file.size_bytes(), std::string(kRow).size());
  EXPECT_EQ(facts->data[0].file.secret(), "") << "nobody is asked for credentials";
  EXPECT_EQ(facts->data[0].inspection.layout, "messages");

  write(root_ / "outside.jsonl", kRow);
  fs::create_symlink(root_ / "outside.jsonl", root_ / "local/link.jsonl");
  EXPECT_EQ(refusal(ask({"file://" + (root_ / "local/link.jsonl").string()}), "link.jsonl"),
            "FileNotAllowed");
  EXPECT_EQ(refusal(ask({"file://" + (root_ / "local/none.jsonl").string()}), "none.jsonl"),
            "DataNotFound");
  write(root_ / "local/empty.jsonl", "");
  EXPECT_EQ(refusal(ask({"file://" + (root_ / "local/empty.jsonl").string()}), "empty.jsonl"),
            "DataEmpty");
}

}  // namespace
}  // namespace tunesmith::planner
