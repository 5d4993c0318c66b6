#include "cli/plan_command.h"

#include <nlohmann/json.hpp>

#include "bus/topology.h"
#include "cli/commands.h"
#include "cli/json_view.h"
#include "cli/manifest_check.h"
#include "cli/plan_text.h"
#include "cli/stack_options.h"
#include "cli/stack_state.h"
#include "cli/yaml_text.h"
#include "planner/setup.h"
#include "runtime/config.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

// The stack's planner as it is configured, else its defaults with the programs beside this one.
Result<std::unique_ptr<planner::Setup>> open_planner(const CommandContext& context) {
  const auto file = StackPaths{context.dir}.config("planner.yaml");
  const bool has_stack = std::filesystem::exists(file);
  auto config = ConfigReader::open(has_stack ? file : "", ConfigReader::process_environment());
  if (!config) return tl::unexpected(config.error());
  auto settings = planner::Settings::from_config(*config);
  if (!has_stack && settings.inspect == "tunesmith-inspect") {
    settings.inspect = executable_dir() / settings.inspect;
  }
  return planner::Setup::make(settings);
}

// One Workspace that is to be planned, with its ConfigMap.
struct Subject {
  std::string name_space, name;
  events::v1::WorkspaceObserved observed;
};

class Planning {
 public:
  Planning(const CommandContext& context, const PlanOptions& options)
      : context_(context), options_(options) {}

  Result<void> open() {
    auto opened = open_planner(context_);
    if (!opened) return tl::unexpected(opened.error());
    planner_ = std::move(*opened);
    return {};
  }

  Result<std::vector<Subject>> subjects() {
    std::vector<Subject> all;
    if (!options_.arguments.empty()) {
      auto applied = applied_subject();
      if (!applied) return tl::unexpected(applied.error());
      all.push_back(std::move(*applied));
    }
    const auto documents =
        read_documents(options_.files, context_.name_space, options_.namespace_given);
    if (!documents.problems.empty()) {
      const auto& [where, failure] = documents.problems.front();
      return permanent(failure.reason, where + ": " + failure.message);
    }
    for (const Document& document : documents.documents) {
      if (document.kind != Kind::kWorkspace) continue;
      const Document* config_map = config_map_of(document, documents);
      const auto stored = config_map == nullptr ? stored_config_map(document) : json();
      const json* found = config_map != nullptr ? &config_map->object
                          : stored.is_object()  ? &stored
                                                : nullptr;
      all.push_back({document.name_space, document.name, observed_of(document.object, found)});
    }
    if (all.empty()) {
      return permanent("UsageError", "plan: expected -f FILE with a Workspace, or the name of one");
    }
    return all;
  }

  Result<json> report_of(const Subject& subject) {
    auto made = make(subject);
    if (made) return made;
    if (made.error().reason == "Stopped") return made;
    return refusal_report(subject.name_space, subject.name, made.error());
  }

 private:
  // The connection of the stack, if there is one that answers.
  Session* session() {
    if (!asked_) {
      asked_ = true;
      if (auto opened = open_session(context_)) session_ = std::move(*opened);
    }
    return session_ ? &*session_ : nullptr;
  }

  Result<Subject> applied_subject() {
    auto opened = open_workspace(context_, options_.arguments);
    if (!opened) return tl::unexpected(opened.error());
    asked_ = true;
    session_ = std::move(opened->first);
    const json& object = opened->second;
    const std::string name = text_at(object, "/metadata/name");
    json config_map;
    const std::string config = text_at(object, "/tuning/config");
    if (!config.empty()) {
      auto found = get_object(*session_, Kind::kConfigMap, context_.name_space, config);
      if (found) config_map = std::move(*found);
    }
    Subject subject{context_.name_space, name,
                    observed_of(object, config_map.is_object() ? &config_map : nullptr)};
    const auto status = get_status(*session_, context_.name_space, name);
    if (!status) return tl::unexpected(status.error());
    subject.observed.set_status_json(status->dump());  // its plan fixes the model's revision
    return subject;
  }

  json stored_config_map(const Document& document) {
    const std::string name = text_at(document.object, "/tuning/config");
    if (name.empty() || session() == nullptr) return {};
    const auto found = get_object(*session(), Kind::kConfigMap, document.name_space, name);
    return found ? *found : json();
  }

  planner::Inventory inventory() {
    std::unique_ptr<bus::KeyValue> bucket;
    if (session() != nullptr) {
      if (auto opened = session()->connection->key_value(bus::bucket::kInventory)) {
        bucket = std::move(*opened);
      }
    }
    return planner::inventory_of(planner_->settings(), bucket.get());
  }

  Result<json> make(const Subject& subject) {
    const auto request = planner::read_request(subject.observed, planner_->validation());
    if (!request) return tl::unexpected(request.error());
    const SystemClock clock;
    const planner::Patience patience{
        .clock = clock,
        .deadline = clock.steady_now() + std::chrono::seconds(options_.timeout_seconds),
        .per_request = planner_->settings().request_limit,
        .backoff = {},
        .stop = context_.stop,
        .on_retry = [this](const Failure& failure) {
          context_.err << "Note: tried again: " << failure.message << std::endl;
        }};
    const auto facts = planner::preflight(*request, planner_->tools(), patience);
    if (!facts) return tl::unexpected(facts.error());
    const auto where = inventory();
    const auto plan = planner::make_plan(*request, *facts, where);
    if (!plan) return tl::unexpected(plan.error());
    return plan_report(*request, *facts, *plan, where);
  }

  const CommandContext& context_;
  const PlanOptions& options_;
  std::unique_ptr<planner::Setup> planner_;
  bool asked_ = false;
  std::optional<Session> session_;
};

}  // namespace

Result<int> plan(const CommandContext& context, const PlanOptions& options) {
  Planning planning(context, options);
  if (auto opened = planning.open(); !opened) return tl::unexpected(opened.error());
  const auto subjects = planning.subjects();
  if (!subjects) return tl::unexpected(subjects.error());
  const Style style = context.style();
  json reports = json::array();
  bool refused = false;
  for (const Subject& subject : *subjects) {
    const auto report = planning.report_of(subject);
    if (!report) return tl::unexpected(report.error());
    refused = refused || !report->at("refused").is_null();
    if (options.output.empty()) {
      context.out << (reports.empty() ? "" : "\n") << plan_text(*report, style);
    }
    reports.push_back(*report);
  }
  const json& shown = reports.size() == 1 ? reports.front() : reports;
  if (options.output == "json") context.out << shown.dump(4) << "\n";
  if (options.output == "yaml") context.out << to_yaml(shown);
  if (options.output.empty() && !refused) context.out << "Nothing was bought or applied.\n";
  return refused ? 1 : 0;
}

}  // namespace tunesmith::cli
