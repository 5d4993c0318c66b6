// status_fold.h: what dead letters mean for a status.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/text.h"
#include "tunesmith/events/v1/nodes.pb.h"
#include "tunesmith/events/v1/workspace.pb.h"
#include "watcher/status_facts.h"
#include "watcher/status_fold.h"
#include "watcher/status_render.h"

namespace tunesmith::watcher {

using nlohmann::json;
namespace v1 = events::v1;

namespace {

std::string dead_letter_key(const std::string& token) { return "dead-letter/" + token + "/"; }

}  // namespace

json fold_dead_letter(const json& status, const bus::DeadLetter& letter) {
  Facts facts = Facts::in(status).value_or(Facts{});
  if (facts.uid != letter.event.uid) return status;
  const auto about = bus::decode<v1::WorkspaceCleaned>(letter.event);  // field 1, as every event
  if (about && about->workspace().uid() == facts.uid &&
      about->workspace().generation() < facts.generation) {
    return status;
  }
  facts.add(Incident{
      .key = dead_letter_key(letter.event.token) + std::to_string(letter.sequence),
      .time = letter.time,
      .reason = "DeadLettered",
      .message = valid_utf8(letter.event.token + " could not be handled by " + letter.consumer +
                            " (" + letter.failure.reason + ": " + letter.failure.message +
                            "); dead letter " + std::to_string(letter.sequence))});
  return render(facts);
}

bool lost_its_worker(const json& status) {
  const Facts facts = Facts::in(status).value_or(Facts{});
  const Known* change = facts.find(kChange);
  const std::string since = change == nullptr ? "" : change->last_time();
  const std::string key = dead_letter_key(bus::token_of<v1::NodesReady>());
  const auto incidents = facts.incidents();
  return std::any_of(incidents.begin(), incidents.end(), [&](const Incident& incident) {
    return incident.key.starts_with(key) && incident.time > since;
  });
}

}  // namespace tunesmith::watcher
