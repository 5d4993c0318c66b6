// The whole planner against a model hub and data host of the test's own, real tunesmith-inspect,
// in-memory bus.
#include "planner/handlers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "bus/current.h"
#include "fakes/memory_bus.h"
#include "file_host/file_host.h"
#include "runtime/retry.h"
#include "tunesmith/events/v1/planning.pb.h"
#include "tunesmith/events/v1/workspace.pb.h"
#include "workspace/documents.h"

namespace tunesmith::planner {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

constexpr const char* kUid = "7b3f";

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

class PlannerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "planner-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    const fs::path model = root_ / "www/models/HuggingFaceTB/SmolLM2-135M-Instruct";
    write(model / "config.json", json{{"model_type", "llama"},
                                      {"vocab_size", 49152},
                                      {"hidden_size", 576},
                                      {"intermediate_size", 1536},
                                      {"num_hidden_layers", 30},
                                      {"num_attention_heads", 9},
                                      {"num_key_value_heads", 3},
                                      {"tie_word_embeddings", true}}
                                     .dump());
    write(model / "tokenizer.json", "{}");
    write(model / "model.safetensors", "weights");
    write(model / "README.md", "not wanted");
    write(root_ / "www/train.jsonl", chat(50));
    auto host = tunesmith::testing::FileHost::start({.root = root_ / "www"});
    ASSERT_TRUE(host.has_value()) << host.error();
    host_ = std::move(*host);
    set_current({.generation = 1});
  }
  void TearDown() override {
    host_.reset();
    fs::remove_all(root_);
  }

  static std::string chat(int rows) {
    std::string text;
    for (int i = 0; i < rows; ++i) {
      text += R"({"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho"}]})"
              "\n";
    }
    return text;
  }
  void set_current(const bus::Current& current) {
    ASSERT_TRUE(current_.put(kUid, bus::to_json(current)).has_value());
  }
  // Every request, or the next `times`, is answered 503.
  void be_unavailable(std::optional<int> times = std::nullopt) {
    tunesmith::testing::Fault fault;
    fault.path = "*";
    fault.status = 503;
    if (times) fault.times = *times;
    host_->set_faults({fault});
  }
  json manifest(const json& patch = json::object()) const {
    json object = *workspace::parse_value(R"(
apiVersion: kaito.sh/v1alpha1
kind: Workspace
metadata: {name: w, namespace: default}
resource: {labelSelector: {matchLabels: {app: a}}}
tuning:
  preset: {name: smollm2-135m-instruct}
  method: qlora
  output: {image: "registry.example.org/a:1", imagePushSecret: push}
)");
    object["tuning"]["input"]["urls"] = {host_->url() + "/train.jsonl?sig=secret"};
    object.merge_patch(patch);
    return object;
  }
  PlannerParts parts() {
    return {
        .publisher = publisher_,
        .current = current_,
        .plans = plans_,
        .tools = {hub_, data_http_, inspector_, nullptr, {}, {}, validation_.allowed_host_paths},
        .validation = validation_,
        .inventory = [this] { return inventory_; },
        .clock = clock_,
        .metrics = metrics_,
        .log = Log::silent(),
        .preflight_limit = preflight_limit_,
        .backoff = {.first = std::chrono::milliseconds(1), .most = std::chrono::milliseconds(20)}};
  }
  bus::Disposition observe(const json& object, const std::string& training_config = "",
                           std::int64_t pass = 0, const std::string& status = "",
                           std::stop_token stop = {}) {
    events::v1::WorkspaceObserved observed;
    auto& workspace = *observed.mutable_workspace();
    workspace.set_uid(kUid);
    workspace.set_namespace_("default");
    workspace.set_name("w");
    workspace.set_generation(1);
    workspace.set_pass(pass);
    observed.set_manifest_json(object.dump());
    observed.set_training_config_yaml(training_config);
    observed.set_status_json(status);
    Handlers handlers(parts());
    const auto event = fakes::delivered(bus::make_event(observed));
    // As the consumer does it: an event that waits for the world is tried again.
    while (true) {
      auto said = handlers.on_workspace_observed(event, stop);
      if (said.kind != bus::Disposition::Kind::kRetry || said.delay > std::chrono::seconds(1)) {
        return said;
      }
      wait_for(said.delay, stop);
    }
  }
  // The failure of the one PlanRejected.
  events::v1::Failure rejection() const {
    const auto rejected = publisher_.all<events::v1::PlanRejected>();
    EXPECT_EQ(rejected.size(), 1u);
    EXPECT_TRUE(publisher_.all<events::v1::TuningPlanned>().empty());
    return rejected.empty() ? events::v1::Failure() : rejected.front().failure();
  }

  fs::path root_;
  std::unique_ptr<tunesmith::testing::FileHost> host_;
  fakes::MemoryKeyValue current_, plans_;
  fakes::RecordingPublisher publisher_;
  SystemClock clock_;
  prometheus::Registry registry_;
  Metrics metrics_{registry_};
  HttpClient http_{HttpClientOptions{}};
  HttpClient data_http_{HttpClientOptions{.guard_addresses = true, .allowed_hosts = {"127.0.0.1"}}};
  workspace::ValidationOptions validation_{.allowed_data_hosts = {"127.0.0.1"}};
  Inventory inventory_;
  std::chrono::milliseconds preflight_limit_{60'000};
  struct LateHub {
    PlannerTest& test;
    std::unique_ptr<ModelHub> hub;
    operator const ModelHub&() {
      if (!hub) {
        hub = std::make_unique<ModelHub>(test.http_, test.host_->url() + "/");
      }
      return *hub;
    }
  } hub_{*this, nullptr};
  struct LateInspector {
    PlannerTest& test;
    std::unique_ptr<Inspector> inspector;
    operator const Inspector&() {
      if (!inspector) {
        inspector = std::make_unique<Inspector>(
            std::string(TUNESMITH_BIN_DIR) + "/tunesmith-inspect", test.root_ / "pieces");
      }
      return *inspector;
    }
  } inspector_{*this, nullptr};
};

TEST_F(PlannerTest, PlansWithResolvedModelAndData) {
  EXPECT_EQ(observe(manifest(), "training_config: {DataCollator: {mlm: true}}").kind,
            bus::Disposition::Kind::kDone);
  const auto planned = publisher_.all<events::v1::TuningPlanned>();
  ASSERT_EQ(planned.size(), 1u);
  const auto& plan = planned[0].plan();
  EXPECT_EQ(plan.tuning().model().repository(), "HuggingFaceTB/SmolLM2-135M-Instruct");
  EXPECT_EQ(plan.tuning().model().preset(), "smollm2-135m-instruct");
  EXPECT_NE(plan.tuning().model().revision(), "main");
  EXPECT_EQ(plan.tuning().model().parameters(), 134515008u);
  ASSERT_EQ(plan.tuning().model().files_size(), 3);
  EXPECT_EQ(plan.tuning().model().files(2).path(), "model.safetensors");
  EXPECT_EQ(plan.tuning().model().files(2).size_bytes(), 7u);
  EXPECT_EQ(plan.tuning().model().files(2).sha256().size(), 64u);
  ASSERT_EQ(plan.tuning().data().files_size(), 1);
  EXPECT_EQ(plan.tuning().data().rows(), 50u);
  EXPECT_EQ(plan.tuning().data().layout(), "messages");
  EXPECT_EQ(plan.tuning().data().files(0).path(), "000-train.jsonl");
  EXPECT_EQ(plan.tuning().data().files(0).size_bytes(), fs::file_size(root_ / "www/train.jsonl"));
  EXPECT_FALSE(plan.tuning().data().files(0).etag().empty());
  EXPECT_EQ(plan.tuning_key().size(), 64u);
  EXPECT_EQ(plan.placement().instance_type(), "local");
  EXPECT_EQ(plan.output().image(), "registry.example.org/a:1");
  ASSERT_EQ(plan.notes_size(), 1);  // none about the instance type that v1alpha1 fills in
  EXPECT_THAT(plan.notes(0), HasSubstr("DataCollator.mlm"));
  EXPECT_TRUE(fs::is_empty(root_ / "pieces"));
}

TEST_F(PlannerTest, OfParquetOnlyHeadAndFooterAreFetched) {
  const fs::path fixtures = fs::path(TUNESMITH_TEST_DIR) / "../../gpu/data/testdata";
  fs::copy_file(fixtures / "messages-large.parquet", root_ / "www/large.parquet");
  const json urls{{"tuning", {{"input", {{"urls", {host_->url() + "/large.parquet"}}}}}}};
  observe(manifest(urls));
  const auto planned = publisher_.all<events::v1::TuningPlanned>();
  ASSERT_EQ(planned.size(), 1u);
  const auto& data = planned[0].plan().tuning().data();
  EXPECT_EQ(data.layout(), "messages");
  EXPECT_GT(data.rows(), 0u);
  std::vector<std::string> ranges;
  for (const auto& request : host_->requests()) {
    if (request.path == "/large.parquet") ranges.push_back(request.range);
  }
  const auto last = std::to_string(data.files(0).size_bytes() - 1);
  EXPECT_THAT(ranges, ::testing::ElementsAre("bytes=0-65535", "bytes=0-" + last));
  EXPECT_EQ(data.files(0).size_bytes(), fs::file_size(fixtures / "messages-large.parquet"));
}

TEST_F(PlannerTest, OfALongJsonlTheRowsAreEstimatedFromTheHead) {
  write(root_ / "www/long.jsonl", chat(20'000));
  const json urls{{"tuning", {{"input", {{"urls", {host_->url() + "/long.jsonl"}}}}}}};
  observe(manifest(urls));
  const auto planned = publisher_.all<events::v1::TuningPlanned>();
  ASSERT_EQ(planned.size(), 1u);
  EXPECT_NEAR(static_cast<double>(planned[0].plan().tuning().data().rows()), 20'000, 200);
}

TEST_F(PlannerTest, APlanIsMadeOnceAndRepeatedByteForByte) {
  observe(manifest());
  const auto asked = host_->requests().size();
  write(root_ / "www/train.jsonl", chat(60));  // the world changes, the plan does not
  observe(manifest(), "", 1'700'000'000);
  const auto planned = publisher_.all<events::v1::TuningPlanned>();
  ASSERT_EQ(planned.size(), 2u);
  EXPECT_EQ(planned[1].workspace().pass(), 1'700'000'000);
  EXPECT_EQ(planned[0].plan().SerializeAsString(), planned[1].plan().SerializeAsString());
  EXPECT_EQ(host_->requests().size(), asked);
}

TEST_F(PlannerTest, TheSameQuestionGivesTheSamePlanWhenTheBucketWasLost) {
  observe(manifest());
  const auto first = plans_.value(std::string(kUid) + ".1");
  ASSERT_TRUE(plans_.remove(std::string(kUid) + ".1").has_value());
  publisher_.clear();
  observe(manifest());
  EXPECT_EQ(plans_.value(std::string(kUid) + ".1"), first);
}

TEST_F(PlannerTest, AnotherPlannersPlanWins) {
  events::v1::Plan other;
  other.set_tuning_key("first");
  ASSERT_TRUE(plans_.create(std::string(kUid) + ".1", other.SerializeAsString()).has_value());
  observe(manifest());
  EXPECT_EQ(publisher_.all<events::v1::TuningPlanned>().at(0).plan().tuning_key(), "first");
}

TEST_F(PlannerTest, TransientTroubleIsTriedAgain) {
  be_unavailable(3);
  observe(manifest());
  EXPECT_EQ(publisher_.all<events::v1::TuningPlanned>().size(), 1u);
}

TEST_F(PlannerTest, WhatIsWaitedForIsToldOncePerReason) {
  tunesmith::testing::Fault hub, data;
  hub.path = "*";  // it is asked first
  data.path = "/train.jsonl";
  hub.status = data.status = 503;
  hub.times = 2;
  data.times = 3;
  host_->set_faults({hub, data});
  observe(manifest(), "", 7);
  const auto pending = publisher_.all<events::v1::PlanPending>();
  ASSERT_EQ(pending.size(), 2u);
  EXPECT_EQ(pending[0].waiting().reason(), "ModelHubUnavailable");
  EXPECT_EQ(pending[1].waiting().reason(), "DataHostUnavailable");
  EXPECT_EQ(pending[1].workspace().pass(), 7);
  EXPECT_LT(pending[0].sequence(), pending[1].sequence());
  EXPECT_EQ(publisher_.published().back().token, "tuning-planned");
}

TEST_F(PlannerTest, TransientTroubleEndsAtTheDeadlineWithItsReason) {
  preflight_limit_ = std::chrono::milliseconds(100);
  be_unavailable();
  observe(manifest());
  const auto failure = rejection();
  EXPECT_EQ(failure.reason(), "ModelHubUnavailable");
  EXPECT_EQ(failure.class_(), events::v1::FAILURE_CLASS_TRANSIENT);
}

struct Refusal {
  const char* name;
  json patch;
  std::string training_config;
  const char* reason;
  std::string says;
};

TEST_F(PlannerTest, RefusesWithAReasonAndOneSentence) {
  write(root_ / "www/columns.jsonl", "{\"a\": 1}\n{\"a\": 2}\n");
  write(root_ / "www/broken.parquet", "PAR1 this is none");
  write(root_ / "www/page.jsonl", "<!DOCTYPE html><html><body>Not found</body></html>");
  write(root_ / "www/empty.jsonl", "");
  write(root_ / "www/users.jsonl", R"({"messages":[{"role":"user","content":"hello"}]})");
  write(root_ / "www/text.jsonl", "{\"text\": \"a\"}\n");
  write(root_ / "www/models/org/gpt/config.json", R"({"model_type":"gpt_neox"})");
  write(root_ / "www/models/org/gpt/tokenizer.json", "{}");
  write(root_ / "www/models/org/gpt/model.safetensors", "x");
  const auto urls = [&](std::vector<std::string> names) {
    json list = json::array();
    for (const auto& name : names) {
      list.push_back(host_->url() + "/" + name);
    }
    return json{{"tuning", {{"input", {{"urls", list}}}}}};
  };
  const std::vector<Refusal> cases{
      {"missing data", urls({"none.jsonl?sig=secret"}), "", "DataNotFound", "answers 404"},
      {"columns", urls({"columns.jsonl"}), "", "NoUsableColumn", "a"},
      {"no parquet", urls({"broken.parquet"}), "", "DataNotReadable", ""},
      {"a web page", urls({"page.jsonl"}), "", "DataFormatUnknown", "HTML"},
      {"empty", urls({"empty.jsonl"}), "", "DataEmpty", "empty"},
      {"nothing to learn", urls({"users.jsonl"}), "", "NoTrainableTokens", "assistant"},
      {"two layouts", urls({"train.jsonl", "text.jsonl"}), "", "MixedLayouts", "'text'"},
      {"loopback by another name",
       {{"tuning", {{"input", {{"urls", {"http://127.1/x"}}}}}}},
       "",
       "WorkspaceInvalid",
       "a loopback address"},
      {"unknown preset",
       {{"tuning", {{"preset", {{"name", "smollm3"}}}}}},
       "",
       "UnknownPreset",
       "'smollm3' is not known"},
      {"no such model",
       {{"tuning", {{"preset", {{"name", "org/none"}}}}}},
       "",
       "ModelNotFound",
       "org/none"},
      {"architecture",
       {{"tuning", {{"preset", {{"name", "org/gpt"}}}}}},
       "",
       "ArchitectureNotSupported",
       "'gpt_neox', this version trains: llama"},
      {"training key", json::object(), "training_config: {LoraConfig: {rnk: 4}}",
       "TrainingConfigInvalid", "'rnk' is no known key"},
      {"module", json::object(), "training_config: {LoraConfig: {target_modules: [qkv_proj]}}",
       "NoSuchModule", "q_proj, k_proj"},
      {"inference",
       {{"tuning", nullptr}, {"inference", {{"preset", {{"name", "phi-4"}}}}}},
       "",
       "InferenceNotServed",
       "does not serve"},
      {"volume",
       {{"tuning",
         {{"input", {{"urls", nullptr}, {"volumeSource", {{"emptyDir", json::object()}}}}}}}},
       "",
       "VolumeNotSupported",
       "'emptyDir' needs Kubernetes"},
      {"no Workspace", {{"kind", "Pod"}}, "", "WorkspaceInvalid", "kind"},
  };
  for (const auto& refusal : cases) {
    SCOPED_TRACE(refusal.name);
    publisher_.clear();
    EXPECT_EQ(observe(manifest(refusal.patch), refusal.training_config).kind,
              bus::Disposition::Kind::kDone);
    const auto failure = rejection();
    EXPECT_EQ(failure.reason(), refusal.reason);
    EXPECT_EQ(failure.class_(), events::v1::FAILURE_CLASS_PERMANENT);
    EXPECT_THAT(failure.message(), HasSubstr(refusal.says));
    EXPECT_EQ(failure.message().find("secret"), std::string::npos);
    EXPECT_TRUE(plans_.keys(">")->empty());
  }
}

// A refusal for a taken tag is answered by an annotation, which makes no new generation.
TEST_F(PlannerTest, ThePermissionToReplaceIsReadAnewInEachPass) {
  observe(manifest());
  observe(manifest({{"metadata", {{"annotations", {{"tunesmith.dev/replace-tag", "true"}}}}}}), "",
          77);
  auto planned = publisher_.all<events::v1::TuningPlanned>();
  ASSERT_EQ(planned.size(), 2u);
  EXPECT_FALSE(planned[0].plan().output().replace_tag());
  EXPECT_TRUE(planned[1].plan().output().replace_tag());
  EXPECT_EQ(plans_.get(std::string(kUid) + ".1").value()->value,
            planned[1].plan().SerializeAsString());
  auto same = planned[1].plan();
  same.mutable_output()->set_replace_tag(false);
  EXPECT_EQ(same.SerializeAsString(), planned[0].plan().SerializeAsString());
}

TEST_F(PlannerTest, AModelBehindALicenceIsNamedAsSuch) {
  tunesmith::testing::Fault fault;
  fault.path = "*";
  fault.bearer_token = "token";
  host_->set_faults({fault});
  observe(manifest());
  EXPECT_EQ(rejection().reason(), "ModelAccessDenied");
}

TEST_F(PlannerTest, TooLittleMemoryNamesWhatFits) {
  inventory_.memory_bytes = 3ull << 30;
  observe(manifest(),
          "training_config: {TrainingArguments: {packing: true, "
          "per_device_train_batch_size: 16}}");
  const auto failure = rejection();
  EXPECT_EQ(failure.reason(), "MemoryTooSmall");
  EXPECT_THAT(failure.message(), HasSubstr("lower per_device_train_batch_size to 1 "));
}

class MissingSecretTest : public PlannerTest {
 protected:
  void SetUp() override {
    PlannerTest::SetUp();
    handlers_.emplace(
        PlannerParts{.publisher = publisher_,
                     .current = current_,
                     .plans = plans_,
                     .tools = {hub_, data_http_, inspector_, nullptr, root_ / "secrets"},
                     .validation = validation_,
                     .inventory = [this] { return inventory_; },
                     .clock = time_,
                     .metrics = metrics_,
                     .log = Log::silent()});
  }
  bus::Disposition observe_secret() {
    const json named{{"metadata", {{"annotations", {{"tunesmith.dev/data-secret", "late"}}}}}};
    events::v1::WorkspaceObserved observed;
    observed.mutable_workspace()->set_uid(kUid);
    observed.mutable_workspace()->set_generation(1);
    observed.set_manifest_json(manifest(named).dump());
    return handlers_->on_workspace_observed(fakes::delivered(bus::make_event(observed)), {});
  }
  ManualClock time_;
  std::optional<Handlers> handlers_;
};
TEST_F(MissingSecretTest, IsLookedForAgainWhileOnlyTheEventIsHeld) {
  for (int i = 0; i < 3; ++i) {
    const auto later = observe_secret();
    EXPECT_EQ(later.kind, bus::Disposition::Kind::kRetry);
    EXPECT_LE(later.delay, std::chrono::seconds(12));
  }
  const auto pending = publisher_.all<events::v1::PlanPending>();
  ASSERT_EQ(pending.size(), 1u) << "told once";
  EXPECT_EQ(pending[0].waiting().reason(), "SecretMissing");
  EXPECT_THAT(pending[0].waiting().message(), HasSubstr("default/late"));
  write(root_ / "secrets/default/late", R"({"token": "abc"})");
  fs::permissions(root_ / "secrets/default/late", fs::perms::owner_read);
  EXPECT_EQ(observe_secret().kind, bus::Disposition::Kind::kDone);
  EXPECT_EQ(publisher_.all<events::v1::TuningPlanned>().size(), 1u);
}
TEST_F(MissingSecretTest, ThatDoesNotComeRejectsThePlanAfterTenMinutes) {
  EXPECT_EQ(observe_secret().kind, bus::Disposition::Kind::kRetry);
  time_.advance(std::chrono::minutes(10));
  EXPECT_EQ(observe_secret().kind, bus::Disposition::Kind::kDone);
  EXPECT_EQ(rejection().reason(), "SecretMissing");
}
class PlannerWaitTest : public PlannerTest {
 protected:
  bus::Disposition observe_without(std::int64_t pass) {
    events::v1::WorkspaceObserved observed;
    observed.mutable_workspace()->set_uid(kUid);
    observed.mutable_workspace()->set_generation(1);
    observed.mutable_workspace()->set_pass(pass);
    observed.set_manifest_json(manifest().dump());
    observed.set_training_config_problem("the ConfigMap 'params' does not exist");
    return handlers_->on_workspace_observed(fakes::delivered(bus::make_event(observed)), {});
  }
  void SetUp() override {
    PlannerTest::SetUp();
    PlannerParts with_time{
        .publisher = publisher_,
        .current = current_,
        .plans = plans_,
        .tools = {hub_, data_http_, inspector_, nullptr, {}, {}, validation_.allowed_host_paths},
        .validation = validation_,
        .inventory = [this] { return inventory_; },
        .clock = time_,
        .metrics = metrics_,
        .log = Log::silent()};
    handlers_.emplace(with_time);
  }
  ManualClock time_;
  std::optional<Handlers> handlers_;
};

TEST_F(PlannerWaitTest, AMissingConfigMapIsWaitedForTenMinutesVisiblyThenToldInTheWatchersWords) {
  const auto later = observe_without(0);
  EXPECT_EQ(later.kind, bus::Disposition::Kind::kRetry);
  const auto pending = publisher_.all<events::v1::PlanPending>();
  ASSERT_EQ(pending.size(), 1u);
  EXPECT_EQ(pending[0].waiting().reason(), "TrainingConfigMissing");
  EXPECT_EQ(pending[0].waiting().class_(), events::v1::FAILURE_CLASS_TRANSIENT);
  time_.advance(std::chrono::minutes(9));
  EXPECT_EQ(observe_without(0).kind, bus::Disposition::Kind::kRetry);
  EXPECT_EQ(later.delay, std::chrono::minutes(10));
  time_.advance(std::chrono::minutes(1));
  EXPECT_EQ(observe_without(0).kind, bus::Disposition::Kind::kDone);
  EXPECT_EQ(rejection().reason(), "TrainingConfigMissing");
  EXPECT_EQ(rejection().message(), "the ConfigMap 'params' does not exist");
}

// However many hubs are dead: no thread waits for them, the event does.
TEST_F(PlannerWaitTest, ADeadHubIsTriedForTenMinutesByTheClock) {
  be_unavailable();
  events::v1::WorkspaceObserved observed;
  observed.mutable_workspace()->set_uid(kUid);
  observed.mutable_workspace()->set_generation(1);
  observed.set_manifest_json(manifest().dump());
  const auto event = fakes::delivered(bus::make_event(observed));
  std::chrono::milliseconds waited{0};
  while (true) {
    const auto said = handlers_->on_workspace_observed(event, {});
    if (said.kind != bus::Disposition::Kind::kRetry) break;
    time_.advance(said.delay);
    waited += said.delay;
  }
  EXPECT_EQ(waited, std::chrono::minutes(10));
  EXPECT_EQ(rejection().reason(), "ModelHubUnavailable");
  EXPECT_EQ(publisher_.all<events::v1::PlanPending>().size(), 1u);
}

TEST_F(PlannerWaitTest, AConfigMapThatCameIsAPassOfItsOwnAndEndsTheWait) {
  EXPECT_EQ(observe_without(0).kind, bus::Disposition::Kind::kRetry);
  EXPECT_EQ(observe(manifest(), "training_config: {}", 1).kind, bus::Disposition::Kind::kDone);
  time_.advance(std::chrono::minutes(10));
  EXPECT_EQ(observe_without(0).kind, bus::Disposition::Kind::kDone);
  EXPECT_TRUE(publisher_.all<events::v1::PlanRejected>().empty());
}

TEST_F(PlannerTest, WhatNoLongerCountsIsDropped) {
  for (const bus::Current& current :
       {bus::Current{.generation = 2}, bus::Current{.generation = 1, .deleting = true},
        bus::Current{.generation = 1, .suspended = true}}) {
    set_current(current);
    EXPECT_EQ(observe(manifest()).kind, bus::Disposition::Kind::kDone);
  }
  EXPECT_TRUE(publisher_.published().empty());
  EXPECT_TRUE(host_->requests().empty());
}

// A plan names every file of a folder, the Workspace only the folder.
TEST_F(PlannerTest, APlanThatNoEventCanHoldIsRefusedAndNotLost) {
  fs::path deep = root_ / "volume";
  for (int i = 0; i < 14; ++i) deep /= std::string(250, 'd');
  for (int i = 0; i < 70; ++i) write(deep / (std::to_string(i) + ".jsonl"), chat(1));
  validation_.allowed_host_paths = {root_.string()};
  const json input = {{"urls", nullptr},
                      {"volumeSource", {{"hostPath", {{"path", (root_ / "volume").string()}}}}}};
  EXPECT_EQ(observe(manifest({{"tuning", {{"input", input}}}})).kind,
            bus::Disposition::Kind::kDone);
  EXPECT_EQ(rejection().reason(), "EventTooLarge");
}

TEST_F(PlannerTest, ADeletionEndsAPreflightThatWaits) {
  be_unavailable();
  std::jthread deleter([&](const std::stop_token& stop) {
    while (host_->requests().size() < 2 && !stop.stop_requested()) {
      std::this_thread::yield();
    }
    ASSERT_TRUE(plans_.put("7b3f.1", "stored after the clean-up").has_value());
    set_current({.generation = 1, .deleting = true});
  });
  EXPECT_EQ(observe(manifest()).kind, bus::Disposition::Kind::kDone);
  EXPECT_TRUE(publisher_.all<events::v1::TuningPlanned>().empty());
  EXPECT_TRUE(publisher_.all<events::v1::PlanRejected>().empty());
  EXPECT_FALSE(plans_.value("7b3f.1").has_value());
}

TEST_F(PlannerTest, NoPlanStaysOfADeletedWorkspace) {
  observe(manifest());
  ASSERT_TRUE(plans_.value("7b3f.1").has_value());
  set_current({.generation = 1, .deleting = true});
  plans_.fail_next({FailureClass::kTransient, "BusUnavailable", "no answer"});
  EXPECT_EQ(observe(manifest()).kind, bus::Disposition::Kind::kRetry);
  EXPECT_EQ(observe(manifest()).kind, bus::Disposition::Kind::kDone);
  EXPECT_FALSE(plans_.value("7b3f.1").has_value());
}

TEST_F(PlannerTest, AStopHandsBack) {
  be_unavailable();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(observe(manifest(), "", 0, "", stop.get_token()).kind,
            bus::Disposition::Kind::kHandBack);
  EXPECT_TRUE(publisher_.published().empty());
}

TEST_F(PlannerTest, ABusThatDoesNotAnswerIsTriedAgain) {
  plans_.fail_next({FailureClass::kTransient, "BusUnavailable", "no answer"});
  EXPECT_EQ(observe(manifest()).kind, bus::Disposition::Kind::kRetry);
  publisher_.fail_next({FailureClass::kTransient, "BusUnavailable", "no answer"});
  EXPECT_EQ(observe(manifest()).kind, bus::Disposition::Kind::kRetry);
  EXPECT_EQ(observe(manifest()).kind, bus::Disposition::Kind::kDone);
  EXPECT_EQ(publisher_.all<events::v1::TuningPlanned>().size(), 1u);
}

TEST_F(PlannerTest, WithoutItsProgramsAPlannerSaysSo) {
  const Inspector missing((root_ / "nothing").string(), root_);
  EXPECT_EQ(missing.head("{}", 2, "x.jsonl", {}).error().reason, "InspectorMissing");
  observe(manifest(
      {{"tuning", {{"input", {{"urls", nullptr}, {"image", "registry.example.org/data:1"}}}}}}));
  EXPECT_EQ(rejection().reason(), "InputNotSupported");
}

TEST_F(PlannerTest, AFileIsNotToBlameForAnInspectionThatTookTooLong) {
  write(root_ / "slow", "#!/bin/sh\nexec sleep 600\n");
  fs::permissions(root_ / "slow", fs::perms::owner_all);
  const Inspector slow((root_ / "slow").string(), root_);
  const auto failure = slow.files({root_ / "x"}, std::chrono::milliseconds(50), {}).error();
  EXPECT_EQ(failure.reason, "TimedOut");
  EXPECT_EQ(failure.failure_class, FailureClass::kTransient);
}

TEST_F(PlannerTest, AnEventThatIsNoneIsDead) {
  Handlers handlers(parts());
  EXPECT_EQ(handlers.on_workspace_observed({.id = "x", .payload = "\xff"}, {}).kind,
            bus::Disposition::Kind::kDead);
}

}  // namespace
}  // namespace tunesmith::planner
