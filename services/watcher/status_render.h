// From facts to the status document that people read: pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "watcher/status_facts.h"

namespace tunesmith::watcher {

// Tokens of our own beside those of the events.
inline constexpr const char* kChange = "change";  // a WorkspaceObserved that a change caused
inline constexpr const char* kCleanupStuck = "CleanupStuck";  // NodesPending with that reason
std::string phase_token(
    const std::string& phase);  // the first progress in "Downloading", "Training" …

// state, conditions, workerNodes, tuning, output, plan, waiting, stages, incidents, failure,
// observedGeneration and the facts themselves.
nlohmann::json render(const Facts& facts);

// Whether people see the same in both: all but the facts counts. Copies nothing.
bool same_to_people(const nlohmann::json& one, const nlohmann::json& other);

}  // namespace tunesmith::watcher
