// A Workspace's status as one line and as a summary: what `tunesmith watch` shows. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tunesmith::cli {

// "Succeeded", "Failed", or "" while it is neither, judged for this generation of the object: an
// older status is not final.
std::string final_state(const nlohmann::json& object, const nlohmann::json& status);

// What it is doing: "Pending", the reason it waits for, a phase, or the last condition that turned
// True.
std::string stage_of(const nlohmann::json& status);

// "42/240", "45%" of a download or push, or "".
std::string progress_of(const nlohmann::json& status);

// One line without a bar: "Training  42/240  loss 1.234  812 tok/s  eta 3m".
std::string plain_line(const nlohmann::json& status);
// The same with a bar, at most `width` columns.
std::string terminal_line(const nlohmann::json& status, std::size_t width);

// What stands below the line at the end: the image with digest, losses before and after, the time
// per stage; or the failure.
std::string summary(const nlohmann::json& object, const nlohmann::json& status);

}  // namespace tunesmith::cli
