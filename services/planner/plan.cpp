#include "planner/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "planner/memory_estimate.h"
#include "planner/tuning_key.h"

namespace tunesmith::planner {
namespace {

std::string gib(std::uint64_t bytes) {
  return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / static_cast<double>(1ull << 30));
}

std::string numbered(std::size_t index, const std::string& name) {
  return fmt::format("{:03}-{}", index, name);  // two URLs may end in the same name
}

Result<events::v1::TrainingData> training_data(const Facts& facts) {
  if (facts.other_data) {
    return facts.other_data->data;
  }
  events::v1::TrainingData data;
  for (std::size_t i = 0; i < facts.data.size(); ++i) {
    const ProbedFile& probed = facts.data[i];
    if (i > 0 && probed.inspection.layout != data.layout()) {
      return permanent("MixedLayouts", "all data files must have one layout, found '" +
                                           data.layout() + "' in the first and '" +
                                           probed.inspection.layout + "' in " +
                                           redact_url(probed.file.url()));
    }
    data.set_layout(probed.inspection.layout);
    data.set_rows(data.rows() + probed.inspection.rows);
    auto& file = *data.add_files();
    file = probed.file;
    file.set_path(numbered(i, file_name_of(file.url())));
  }
  return data;
}

Result<void> check_modules(const TuningRequest& request, const ModelShape& shape) {
  const auto known = shape.modules();
  for (const auto& module : request.training.hyper_parameters.target_modules()) {
    if (std::find(known.begin(), known.end(), module) == known.end()) {
      return permanent("NoSuchModule",
                       fmt::format("LoraConfig.target_modules: the model {} has no '{}', its "
                                   "linear layers are {}",
                                   request.model.repository, module, fmt::join(known, ", ")));
    }
  }
  return {};
}

std::uint64_t data_tokens(const Facts& facts) {
  std::uint64_t tokens = facts.other_data ? facts.other_data->estimated_tokens : 0;
  for (const auto& probed : facts.data) {
    tokens += probed.inspection.estimated_tokens;
  }
  return tokens;
}

// Four times the mean is a long example of most data sets; an overestimate would refuse what works.
std::uint64_t long_example(const Facts& facts) {
  const std::uint64_t tokens = data_tokens(facts);
  std::uint64_t rows = facts.other_data ? facts.other_data->data.rows() : 0;
  for (const auto& probed : facts.data) {
    rows += probed.inspection.rows;
  }
  return rows == 0 || tokens == 0 ? 0 : 4 * (tokens / rows) + 64;
}

Result<events::v1::Placement> placement(const MemoryQuestion& question,
                                        const Inventory& inventory) {
  const std::uint64_t needed = estimate_memory(question).total();
  if (inventory.memory_bytes != 0 && needed > inventory.memory_bytes) {
    const std::uint32_t batch = largest_batch(question, inventory.memory_bytes);
    const std::string advice =
        batch > 0 ? "lower per_device_train_batch_size to " + std::to_string(batch) +
                        " (and raise gradient_accumulation_steps to keep the step as it is)"
        : question.hyper_parameters.gradient_checkpointing()
            ? "choose a smaller model, method qlora, or a smaller max_seq_length"
            : "set gradient_checkpointing, lower max_seq_length, or choose a smaller model";
    return permanent("MemoryTooSmall", "the training needs about " + gib(needed) +
                                           " of memory, a worker here has " +
                                           gib(inventory.memory_bytes) + ": " + advice);
  }
  events::v1::Placement placement;
  placement.set_instance_type(inventory.placement);
  placement.set_nodes(1);
  placement.set_gpus_per_node(0);
  placement.set_estimated_memory_bytes(needed);
  return placement;
}

// It is the user's host and the user's secret, but they should know.
void note_open_secret(const events::v1::TrainingData& data, events::v1::Plan& plan) {
  for (const auto& file : data.files()) {
    if (!file.secret().empty() && file.url().starts_with("http://")) {
      plan.add_notes("the secret '" + file.secret() + "' is sent without encryption to " +
                     redact_url(file.url()) + ": use https:// where the host offers it");
      return;
    }
  }
}

}  // namespace

Result<events::v1::Plan> make_plan(const TuningRequest& request, const Facts& facts,
                                   const Inventory& inventory) {
  events::v1::Plan plan;
  auto& tuning = *plan.mutable_tuning();
  tuning.set_method(request.workspace.tuning->method);
  auto& model = *tuning.mutable_model();
  model.set_preset(request.model.preset);
  model.set_repository(request.model.repository);
  model.set_revision(facts.revision);
  model.set_architecture(facts.shape.architecture);
  model.set_parameters(facts.shape.parameters());
  model.set_access_secret(request.workspace.tuning->model_access_secret);
  model.mutable_files()->Assign(facts.model_files.begin(), facts.model_files.end());

  auto data = training_data(facts);
  if (!data) {
    return tl::unexpected(data.error());
  }
  *tuning.mutable_data() = *std::move(data);
  if (auto modules = check_modules(request, facts.shape); !modules) {
    return tl::unexpected(modules.error());
  }
  *tuning.mutable_hyper_parameters() = request.training.hyper_parameters;
  tuning.set_numerics_version(kNumericsVersion);
  plan.set_tuning_key(tuning_key(tuning));

  auto where = placement(
      {facts.shape, tuning.method(), tuning.hyper_parameters(), long_example(facts)}, inventory);
  if (!where) {
    return tl::unexpected(where.error());
  }
  *plan.mutable_placement() = *std::move(where);
  plan.mutable_placement()->set_estimated_seconds(
      estimate_seconds({facts.shape, tuning.data(), tuning.hyper_parameters(), data_tokens(facts)},
                       inventory.speed));
  plan.mutable_output()->set_image(request.workspace.tuning->output.image);
  plan.mutable_output()->set_image_push_secret(request.workspace.tuning->output.image_push_secret);
  plan.mutable_output()->set_volume_path(request.workspace.tuning->output.host_path);
  plan.mutable_output()->set_replace_tag(request.workspace.tuning->output.replace_tag);
  plan.mutable_serve_after_tuning()->set_idle_timeout_seconds(0);
  plan.mutable_notes()->Assign(request.notes.begin(), request.notes.end());
  if (facts.other_data && !facts.other_data->note.empty()) {
    plan.add_notes(facts.other_data->note);
  }
  note_open_secret(tuning.data(), plan);
  return plan;
}

}  // namespace tunesmith::planner
