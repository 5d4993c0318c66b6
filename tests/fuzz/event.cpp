// Input: "subject\nheader: value\n…\n\npayload", as the bus stores a message.
#include "bus/event.h"

#include "bus/cloud_event.h"
#include "runtime/percent.h"
#include "runtime/text.h"
#include "targets.h"
#include "tunesmith/events/v1/image.pb.h"
#include "tunesmith/events/v1/nodes.pb.h"
#include "tunesmith/events/v1/planning.pb.h"
#include "tunesmith/events/v1/serving.pb.h"
#include "tunesmith/events/v1/tuning.pb.h"
#include "tunesmith/events/v1/workspace.pb.h"

namespace tunesmith::fuzz {
namespace {

std::string_view take_line(std::string_view& rest) {
  const auto end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

template <typename... Events>
void decode_as(const bus::IncomingEvent& incoming) {
  const auto one = [&]<typename Event>(const Event*) {
    const auto decoded = bus::decode<Event>(incoming);
    if (!decoded) {
      promise(decoded.error().failure_class == FailureClass::kPoison, "it is poison");
      return;
    }
    promise(!decoded->workspace().uid().empty(), "an event is about a Workspace");
    // What can be read can be announced again and read again.
    const auto again = bus::make_event(*decoded);
    bus::IncomingEvent back = incoming;
    back.payload = again.payload;
    promise(bus::decode<Event>(back).has_value(), "an event survives its own encoding");
  };
  (one(static_cast<const Events*>(nullptr)), ...);
}

}  // namespace

void event(std::string_view input) {
  const std::string_view subject = take_line(input);
  bus::Headers headers;
  for (auto line = take_line(input); !line.empty(); line = take_line(input)) {
    const auto colon = std::min(line.find(": "), line.size());
    headers[std::string(line.substr(0, colon))] = line.substr(std::min(colon + 2, line.size()));
  }
  for (const auto& [name, value] : headers) {
    promise(percent_decode(bus::percent_encode(value)) == value, "encoding loses nothing");
  }
  const auto incoming =
      bus::event_of(subject, headers, std::string(input), 7, "2026-01-01T00:00:00Z");
  promise(!incoming.id.empty(), "every event has an id");
  using namespace events::v1;
  decode_as<WorkspaceObserved, WorkspaceDeleted, TuningPlanned, PlanRejected, PlanCleared,
            NodesReady, AdapterReady, TuningFailed, TuningProgressed, ImagePushed, ImagePushFailed>(
      incoming);
}

}  // namespace tunesmith::fuzz
