#include "watcher/status_fold.h"

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "runtime/http_client.h"
#include "tunesmith/events/v1/image.pb.h"
#include "tunesmith/events/v1/nodes.pb.h"
#include "tunesmith/events/v1/planning.pb.h"
#include "tunesmith/events/v1/serving.pb.h"
#include "tunesmith/events/v1/tuning.pb.h"
#include "tunesmith/events/v1/workspace.pb.h"
#include "watcher/status_facts.h"
#include "watcher/status_render.h"
#include "workspace/workspace.h"

namespace tunesmith::watcher {

using nlohmann::json;
namespace v1 = events::v1;

namespace {

// What one event says: the facts, and what went wrong and was survived.
struct Said {
  v1::WorkspaceRef workspace;
  json data = json::object();
  std::vector<std::uint64_t> order;
  std::string phase;  // of a progress event
  std::string token;  // of the fact, when it is not the event's
  std::optional<Incident> incident;
};

// Announcements are counted anew in each pass.
template <typename Event>
std::vector<std::uint64_t> in_pass(const Event& event) {
  return {static_cast<std::uint64_t>(event.workspace().pass()), event.sequence()};
}

json failure_json(const v1::Failure& failure) {
  return {{"reason", failure.reason()}, {"message", failure.message()}};
}

json data_json(const v1::TrainingData& data) {
  json list = json::array();
  for (const auto& file : data.files()) {
    list.push_back({{"url", redact_url(file.url())},
                    {"etag", file.etag()},
                    {"sha256", file.sha256()},
                    {"sizeBytes", file.size_bytes()}});
  }
  if (data.has_image()) {
    std::uint64_t bytes = 0;
    for (const auto& layer : data.image().layers()) bytes += layer.size_bytes();
    list.push_back(
        {{"image", data.image().image()}, {"digest", data.image().digest()}, {"sizeBytes", bytes}});
  }
  for (const auto& file : data.volume().files()) {
    list.push_back({{"path", data.volume().path() + ": " + file.path()},
                    {"sha256", file.sha256()},
                    {"sizeBytes", file.size_bytes()}});
  }
  return list;
}

json plan_json(const v1::Plan& plan) {
  const auto& model = plan.tuning().model();
  return {{"instanceType", plan.placement().instance_type()},
          {"nodes", plan.placement().nodes()},
          {"gpusPerNode", plan.placement().gpus_per_node()},
          {"estimatedMemory", plan.placement().estimated_memory_bytes()},
          {"estimatedSeconds", plan.placement().estimated_seconds()},
          {"estimatedCost", plan.placement().estimated_cost_usd()},
          {"preset", model.preset()},
          {"repository", model.repository()},
          {"modelRevision", model.revision()},
          {"data", data_json(plan.tuning().data())},
          {"notes", std::vector<std::string>(plan.notes().begin(), plan.notes().end())},
          {"tuningKey", plan.tuning_key()}};
}

void say(const v1::WorkspaceObserved& event, const std::string& id, Said& said) {
  said.data["change"] = !id.ends_with(std::string("/") + kAgain);
  const auto object = json::parse(event.manifest_json(), nullptr, false);
  if (!object.is_object()) return;
  said.data["annotationsHash"] = workspace::annotations_hash(object);
  said.data["suspended"] = workspace::is_suspended(object);
}

void say(const v1::TuningPlanned& event, const std::string&, Said& said) {
  said.data["plan"] = plan_json(event.plan());
}

void say(const v1::NodesPending& event, const std::string&, Said& said) {
  said.order = in_pass(event);
  said.data = failure_json(event.waiting());
  said.data["queuePosition"] = event.queue_position();
  // About the end of the Workspace, not about nodes: numbered apart.
  if (event.waiting().reason() == kCleanupStuck) said.token = kCleanupStuck;
}

void say(const v1::PlanPending& event, const std::string&, Said& said) {
  said.order = in_pass(event);
  said.data = failure_json(event.waiting());
}

void say(const v1::NodesReady& event, const std::string&, Said& said) {
  said.order = in_pass(event);
  said.data["nodes"] = json::array();
  for (const auto& node : event.nodes()) said.data["nodes"].push_back(node.name());
}

void say(const v1::WorkerLost& event, const std::string&, Said& said) {
  const std::string attempt = std::to_string(event.attempt());
  said.incident = Incident{.key = "worker-lost/" + attempt + "/" + event.node(),
                           .time = {},
                           .reason = event.failure().reason(),
                           .message = event.failure().message()};
}

void say(const v1::TuningStarted& event, const std::string&, Said& said) {
  said.order = {event.attempt()};
  said.data = {{"attempt", event.attempt()},
               {"node", event.node()},
               {"totalSteps", event.total_steps()},
               {"resumedStep", event.resumed_step()}};
  if (!event.has_previous_failure()) return;
  said.incident = Incident{.key = "attempt/" + std::to_string(event.attempt()),
                           .time = {},
                           .reason = event.previous_failure().reason(),
                           .message = event.previous_failure().message()};
}

void say(const v1::TuningProgressed& event, const std::string&, Said& said) {
  said.order = {event.attempt(), event.sequence()};
  said.phase = event.phase();
  said.data = {{"attempt", event.attempt()},
               {"phase", event.phase()},
               {"step", event.step()},
               {"totalSteps", event.total_steps()},
               {"epoch", event.epoch()},
               {"trainLoss", event.train_loss()},
               {"learningRate", event.learning_rate()},
               {"tokensPerSecond", event.tokens_per_second()},
               {"etaSeconds", event.eta_seconds()},
               {"bytesDone", event.bytes_done()},
               {"bytesTotal", event.bytes_total()}};
  if (event.has_eval_loss()) said.data["evalLoss"] = event.eval_loss();
  if (event.has_waiting()) said.data["waiting"] = failure_json(event.waiting());
}

void say(const v1::AdapterReady& event, const std::string&, Said& said) {
  said.data = {{"plan", plan_json(event.plan())},
               {"sha256", event.adapter().sha256()},
               {"attempt", event.adapter().attempt()},
               {"steps", event.result().steps()},
               {"trainLoss", event.result().train_loss()},
               {"evalLossBefore", event.result().eval_loss_before()},
               {"evalLoss", event.result().eval_loss_after()}};
}

void say(const v1::ImagePushProgressed& event, const std::string& id, Said& said) {
  said.order = in_pass(event);
  said.data = {{"bytesDone", event.bytes_done()}, {"bytesTotal", event.bytes_total()}};
  if (!event.has_waiting() || event.waiting().reason().empty()) return;
  said.data["waiting"] = failure_json(event.waiting());
  said.incident = Incident{.key = "push/" + id,
                           .time = {},
                           .reason = event.waiting().reason(),
                           .message = event.waiting().message()};
}

void say(const v1::ImagePushed& event, const std::string&, Said& said) {
  const bool folder = !event.path().empty();
  said.data = {{folder ? "path" : "image", folder ? event.path() : event.image()},
               {"digest", event.digest()},
               {"sizeBytes", event.size_bytes()}};
}

// PlanRejected, NodesFailed, TuningFailed, ImagePushFailed, ServingFailed.
template <typename Event>
  requires requires(const Event& event) { event.failure(); }
void say(const Event& event, const std::string&, Said& said) {
  said.data = failure_json(event.failure());
}

// Events of which only pass and time matter.
template <typename Event>
void say(const Event&, const std::string&, Said&)
  requires(!requires(const Event& event) { event.failure(); })
{}

using Reader = std::function<Result<Said>(const bus::IncomingEvent&)>;

template <typename Event>
Result<Said> read(const bus::IncomingEvent& incoming) {
  auto event = bus::decode<Event>(incoming);
  if (!event) return tl::unexpected(event.error());
  Said said;
  said.workspace = event->workspace();
  say(*event, incoming.id, said);
  return said;
}

template <typename... Events>
std::map<std::string, Reader> readers() {
  return {{bus::token_of<Events>(), read<Events>}...};
}

const std::map<std::string, Reader>& all_readers() {
  static const auto kReaders =
      readers<v1::WorkspaceObserved, v1::WorkspaceDeleted, v1::WorkspaceCleaned, v1::TuningPlanned,
              v1::ServingPlanned, v1::PlanCleared, v1::PlanRejected, v1::PlanPending,
              v1::NodesPending, v1::NodesReady, v1::NodesFailed, v1::NodesReleased, v1::WorkerLost,
              v1::TuningStarted, v1::TuningProgressed, v1::AdapterReady, v1::TuningFailed,
              v1::ImagePushProgressed, v1::ImagePushed, v1::ImagePushFailed, v1::ServingReady,
              v1::ServingStopped, v1::ServingFailed>();
  return kReaders;
}

}  // namespace

Result<json> fold(const json& status, const bus::IncomingEvent& event) {
  const auto reader = all_readers().find(event.token);
  if (reader == all_readers().end()) {
    return poison("EventUnknown", "no event of the contract is called " + event.token);
  }
  auto said = reader->second(event);
  if (!said) return tl::unexpected(said.error());
  Facts facts = Facts::in(status).value_or(Facts{});
  if (facts.uid != said->workspace.uid() || facts.generation < said->workspace.generation()) {
    facts = Facts();
    facts.uid = said->workspace.uid();
    facts.generation = said->workspace.generation();
  } else if (facts.generation > said->workspace.generation()) {
    return status;
  }
  const std::int64_t pass = said->workspace.pass();
  // A change and a look again are two facts: what failed before a change does not count after it.
  if (said->data.value("change", false)) {
    facts.add(Fact{.token = kChange, .pass = pass, .time = event.time});
  }
  if (!said->phase.empty()) {
    facts.add(Fact{.token = phase_token(said->phase), .pass = pass, .time = event.time});
  }
  facts.add(Fact{.token = said->token.empty() ? event.token : said->token,
                 .pass = pass,
                 .time = event.time,
                 .order = said->order,
                 .data = said->data});
  if (said->incident) {
    said->incident->time = event.time;
    facts.add(*said->incident);
  }
  return render(facts);
}

bool is_progress(const std::string& token) {
  return token == bus::token_of<v1::TuningProgressed>() ||
         token == bus::token_of<v1::ImagePushProgressed>();
}

}  // namespace tunesmith::watcher
