#include "cli/describe_output.h"

#include <nlohmann/json.hpp>

#include "cli/json_view.h"
#include "cli/progress_line.h"
#include "workspace/image_reference.h"
#include "workspace/workspace.h"

namespace tunesmith::cli {

using nlohmann::json;

PullLines pull_lines(const json& status, const std::optional<LocalRegistry>& local) {
  const auto image = workspace::parse_image_reference(text_at(status, "/output/image"));
  const std::string digest = text_at(status, "/output/digest");
  if (!image || digest.empty()) return {};
  const bool is_local = local && image->registry == local->name;
  const std::string registry = is_local ? local->address : image->registry;
  const std::string reference = registry + "/" + image->repository + "@" + digest;
  PullLines lines;
  if (is_local) {
    lines.login = "docker login " + registry + " -u " + local->user + " --password-stdin < " +
                  local->password_file;
  }
  lines.oras = std::string("oras pull ") + (is_local ? "--plain-http " : "") + reference;
  lines.docker = "docker pull " + reference;
  return lines;
}

std::string next_step(const json& object, const json& status) {
  const std::string name = text_at(object, "/metadata/name");
  const std::string name_space = text_at(object, "/metadata/namespace");
  const std::string tail =
      name + (name_space.empty() || name_space == "default" ? "" : " -n " + name_space);
  if (member(object, "/metadata/deletionTimestamp") != nullptr) {
    return "it is being deleted: tunesmith delete " + tail + " waits for the end";
  }
  if (workspace::is_suspended(object)) return "tunesmith resume " + tail;
  const std::string end = final_state(object, status);
  if (end == "Failed") {
    return "mend what failed, then: tunesmith retry " + tail +
           "; what the worker said: tunesmith logs " + tail;
  }
  if (end == "Succeeded") {
    const std::string folder = text_at(status, "/output/path");
    return folder.empty() ? "fetch the adapter with the line below"
                          : "the adapter lies in " + folder;
  }
  if (stage_of(status) == "Training") return "tunesmith logs " + tail + " -f";
  return "tunesmith watch " + tail;
}

}  // namespace tunesmith::cli
