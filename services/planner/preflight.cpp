#include "planner/preflight.h"

#include "planner/volume_source.h"
#include "workspace/url_guard.h"

namespace tunesmith::planner {
namespace {

Result<Access> access_to(AccessTo what, const std::string& secret, const TuningRequest& request,
                         const PreflightTools& tools) {
  return read_access(tools.secrets_dir, request.workspace.metadata.name_space, secret, what);
}

// Data that is not behind URLs.
Result<void> look_elsewhere(const TuningRequest& request, const PreflightTools& tools,
                            const Patience& patience, Facts& facts) {
  const auto& input = request.workspace.tuning->input;
  if (!input.host_path.empty()) {
    const Access nobody;
    auto found = look_into_volume(
        input.host_path, {tools.data_http, tools.inspector, nobody, tools.allowed_host_paths},
        patience);
    if (!found) {
      return tl::unexpected(found.error());
    }
    facts.other_data = *std::move(found);
  }
  if (input.image.empty()) {
    return {};
  }
  if (tools.images == nullptr) {
    return permanent("InputNotSupported", "this planner cannot look into images");
  }
  auto found = tools.images->look(request.workspace.metadata.name_space, input, patience);
  if (!found) {
    return tl::unexpected(found.error());
  }
  facts.other_data = *std::move(found);
  return {};
}

}  // namespace

Result<Facts> preflight(const TuningRequest& request, const PreflightTools& tools,
                        const Patience& patience) {
  const std::string& repository = request.model.repository;
  Facts facts;
  const auto& asked = *request.workspace.tuning;
  const auto hub_access = access_to(AccessTo::kModelHub, asked.model_access_secret, request, tools);
  if (!hub_access) {
    return tl::unexpected(hub_access.error());
  }
  const auto data_access = access_to(AccessTo::kData, asked.data_secret, request, tools);
  if (!data_access) {
    return tl::unexpected(data_access.error());
  }
  const auto listing = tools.hub.list(repository, request.model.revision, *hub_access, patience);
  if (!listing) {
    return tl::unexpected(listing.error());
  }
  facts.revision = listing->revision;
  facts.license = listing->license;
  // The commit, not the name: a branch that moves between two requests must not mix two versions.
  const auto config =
      tools.hub.file(repository, facts.revision, "config.json", *hub_access, patience);
  if (!config) {
    return tl::unexpected(config.error());
  }
  auto shape = read_model_shape(*config, repository);
  if (!shape) {
    return tl::unexpected(shape.error());
  }
  facts.shape = *std::move(shape);
  const auto files = choose_files(*listing, repository);
  if (!files) {
    return tl::unexpected(files.error());
  }
  for (const auto& file : *files) {
    auto& remote = facts.model_files.emplace_back();
    remote.set_url(tools.hub.url_of(repository, facts.revision, file.name));
    remote.set_path(file.name);
    remote.set_size_bytes(file.size_bytes);
    remote.set_sha256(file.sha256);
  }
  const ProbeTools probe_tools{tools.data_http, tools.inspector, *data_access,
                               tools.allowed_data_paths};
  for (const auto& url : asked.input.urls) {
    auto probed = probe(url, probe_tools, patience);
    if (!probed) {
      return tl::unexpected(probed.error());
    }
    probed->file.set_secret(workspace::is_file_url(url) ? "" : asked.data_secret);
    facts.data.push_back(*std::move(probed));
  }
  if (auto other = look_elsewhere(request, tools, patience, facts); !other) {
    return tl::unexpected(other.error());
  }
  return facts;
}

}  // namespace tunesmith::planner
