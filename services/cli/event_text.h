// Events as people and machines read them. Query strings of URLs are left out. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bus/event.h"

namespace tunesmith::cli {

// {"id", "event", "uid", "time", "sequence", "data"}: data is the decoded message, with field names
// as in the contract, or null when it cannot be decoded.
nlohmann::json event_json(const bus::IncomingEvent& event);

// "2026-01-31T12:00:00Z  tuning-progressed  default/a gen 1  phase=Training step=42 …".
std::string event_line(const nlohmann::json& event);

// Whether the event is about this Workspace.
bool is_about(const nlohmann::json& event, const std::string& name_space, const std::string& name);

}  // namespace tunesmith::cli
