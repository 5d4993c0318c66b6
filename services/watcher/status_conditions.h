// The conditions of the status. Internal to the watcher.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "watcher/status_view.h"

namespace tunesmith::watcher {

// [{type, status, reason, message, observedGeneration, lastTransitionTime}], in the order of the
// pipeline; those about which nothing is known yet are absent.
nlohmann::json conditions_of(const View& view);

}  // namespace tunesmith::watcher
