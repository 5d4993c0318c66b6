#include "job_file.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tunesmith::gpu_worker {
namespace {

TEST(JobFile, CarriesEveryHyperParameterUnderItsProtoName) {
  events::v1::TuningPlan plan;
  plan.set_method(events::v1::TUNING_METHOD_QLORA);
  plan.mutable_model()->set_repository("org/model");
  auto& hyper = *plan.mutable_hyper_parameters();
  hyper.set_lora_rank(16);
  hyper.set_learning_rate(2e-4);
  hyper.set_max_steps(0);
  hyper.set_packing(true);
  hyper.add_target_modules("q_proj");

  const auto job =
      nlohmann::json::parse(job_file(plan, {.model_dir = "/m",
                                            .data = {"/d/1", "/d/2"},
                                            .work_dir = "/w",
                                            .resume_from = "",
                                            .checkpoint_interval = std::chrono::seconds(300),
                                            .threads = 2}));

  EXPECT_EQ(job["method"], "qlora");
  EXPECT_EQ(job["model_name"], "org/model");
  EXPECT_EQ(job["data"], (nlohmann::json{"/d/1", "/d/2"}));
  EXPECT_EQ(job["resume_from"], "");
  EXPECT_EQ(job["checkpoint_interval_seconds"], 300.0);
  const auto& parameters = job["hyper_parameters"];
  EXPECT_EQ(parameters["lora_rank"], 16);
  EXPECT_EQ(parameters["learning_rate"], 2e-4);
  EXPECT_EQ(parameters["max_steps"], 0);  // defaults are written too: the engine guesses nothing
  EXPECT_EQ(parameters["packing"], true);
  EXPECT_EQ(parameters["target_modules"], nlohmann::json::array({"q_proj"}));
  EXPECT_EQ(parameters.size(),
            static_cast<std::size_t>(events::v1::HyperParameters::descriptor()->field_count()));
}

}  // namespace
}  // namespace tunesmith::gpu_worker
