// The status of a Workspace as a fold over its events: pure, and independent of their order and
// repetition.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bus/connection.h"
#include "bus/event.h"
#include "runtime/result.h"

namespace tunesmith::watcher {

// The status after one more event. `status` is a status document as this function returned it, or
// null. An event of an older generation changes nothing, one of a newer generation or another uid
// begins anew. Times are the events' own (ce-time). Poison `EventUndecodable`, `EventUnknown`.
Result<nlohmann::json> fold(const nlohmann::json& status, const bus::IncomingEvent& event);

// The status after one of its events could not be handled: incident `DeadLettered`. Events of older
// generations change nothing.
nlohmann::json fold_dead_letter(const nlohmann::json& status, const bus::DeadLetter& letter);

// Whether the NodesReady of the last change lies in the dead letters: then nobody works for the
// Workspace, though a worker was given to it.
bool lost_its_worker(const nlohmann::json& status);

// Events that only move numbers: their status may be written later.
bool is_progress(const std::string& token);

// The last part of the id of a WorkspaceObserved that no change caused: a look again after a
// silence.
inline constexpr const char* kAgain = "again";

}  // namespace tunesmith::watcher
