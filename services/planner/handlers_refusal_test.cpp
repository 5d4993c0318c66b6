// What is refused, and in which words.
#include "planner/handlers_fixture.h"

namespace tunesmith::planner {
namespace {

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

TEST_F(PlannerTest, WithoutItsProgramsAPlannerSaysSo) {
  const Inspector missing((root_ / "nothing").string(), root_);
  EXPECT_EQ(missing.head("{}", 2, "x.jsonl", {}).error().reason, "InspectorMissing");
  observe(manifest(
      {{"tuning", {{"input", {{"urls", nullptr}, {"image", "registry.example.org/data:1"}}}}}}));
  EXPECT_EQ(rejection().reason(), "InputNotSupported");
}

TEST_F(PlannerTest, AnEventThatIsNoneIsDead) {
  Handlers handlers(parts());
  EXPECT_EQ(handlers.on_workspace_observed({.id = "x", .payload = "\xff"}, {}).kind,
            bus::Disposition::Kind::kDead);
}

}  // namespace
}  // namespace tunesmith::planner
