#include "planner/model_hub.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tunesmith::planner {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxAnswerBytes = 8u << 20;

bool at_top(const std::string& name) { return name.find('/') == std::string::npos; }

bool is_wanted(const std::string& name) {
  return name == "config.json" || name == "generation_config.json" ||
         name == "special_tokens_map.json" || name == "added_tokens.json" ||
         (name.starts_with("tokenizer") && name.ends_with(".json")) ||
         name.starts_with("chat_template.") || name.ends_with(".safetensors.index.json");
}

bool is_weights(const std::string& name) { return name.ends_with(".safetensors"); }

bool is_commit(const std::string& text) {
  return text.size() >= 8 && text.size() <= 64 &&
         text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

HubFile read_sibling(const json& sibling) {
  HubFile file;
  file.name = sibling.at("rfilename").get<std::string>();
  file.size_bytes = sibling.value("size", std::uint64_t{0});
  if (const auto lfs = sibling.find("lfs"); lfs != sibling.end() && lfs->is_object()) {
    file.sha256 = lfs->value("sha256", "");
    file.size_bytes = lfs->value("size", file.size_bytes);
  }
  return file;
}

// From the tags, where the hub writes what the model card says; a string to be shown: bounded.
std::string license_of(const json& answer) {
  const json tags = answer.value("tags", json::array());
  for (const auto& tag : tags.is_array() ? tags : json::array()) {
    const std::string text = tag.is_string() ? tag.get<std::string>() : "";
    if (text.starts_with("license:")) {
      return text.substr(8, 60);
    }
  }
  return {};
}

tl::unexpected<Failure> judge(const HttpResponse& answer, const std::string& what,
                              const std::string& repository, const Access& access) {
  const int status = answer.status;
  if (status == 401 || status == 403 || status == 404 || status == 410) {
    return model_refusal(answer, what, repository, access);
  }
  const std::string says =
      "the model hub did not give " + what + " (it answers " + std::to_string(status) + ")";
  if (status == 408 || status == 429 || status >= 500) {
    return transient("ModelHubUnavailable", says);
  }
  return permanent("ModelNotReadable", says);
}

}  // namespace

Result<HubListing> read_listing(std::string_view text, const std::string& repository) {
  try {
    const json answer = json::parse(text);
    HubListing listing;
    listing.revision = answer.at("sha").get<std::string>();
    listing.license = license_of(answer);
    for (const auto& sibling : answer.at("siblings")) {
      listing.files.push_back(read_sibling(sibling));
    }
    if (is_commit(listing.revision)) {
      return listing;
    }
  } catch (const json::exception&) {  // said below
  }
  return permanent("ModelNotReadable", "the model hub's description of " + repository +
                                           " has no commit (sha) and file list (siblings): check "
                                           "that model_hub is a hub with Hugging Face's API");
}

Result<std::vector<HubFile>> choose_files(const HubListing& listing,
                                          const std::string& repository) {
  std::vector<HubFile> chosen;
  std::vector<HubFile> weights;
  bool config = false;
  bool tokenizer = false;
  for (const auto& file : listing.files) {
    if (!at_top(file.name)) {
      continue;
    }
    config = config || file.name == "config.json";
    tokenizer = tokenizer || file.name == "tokenizer.json";
    if (is_wanted(file.name)) {
      chosen.push_back(file);
    } else if (is_weights(file.name)) {
      weights.push_back(file);
    }
  }
  // Some repositories hold the weights a second time in their authors' own layout
  // ("consolidated…").
  const auto own_layout = [](const HubFile& file) { return !file.name.starts_with("model"); };
  if (!std::all_of(weights.begin(), weights.end(), own_layout)) {
    std::erase_if(weights, own_layout);
  }
  if (!config || !tokenizer || weights.empty()) {
    return permanent("ModelNotReadable", "the repository " + repository + " has no " +
                                             (!config      ? "config.json"
                                              : !tokenizer ? "tokenizer.json"
                                                           : "*.safetensors weights") +
                                             ", which a model to be tuned needs");
  }
  chosen.insert(chosen.end(), weights.begin(), weights.end());
  return chosen;
}

ModelHub::ModelHub(const HttpClient& http, std::string base_url)
    : http_(http), base_url_(std::move(base_url)) {
  while (base_url_.ends_with('/')) {
    base_url_.pop_back();
  }
}

Result<std::string> ModelHub::get(const std::string& url, const std::string& what,
                                  const std::string& repository, const Access& access,
                                  const Patience& patience) const {
  return with_retries<std::string>(patience, [&]() -> Result<std::string> {
    HttpRequest request;
    request.url = url;
    request.max_body_bytes = kMaxAnswerBytes;
    request.total_timeout = patience.per_request;
    request.stop = patience.stop;
    authorize(request, access);
    auto answer = http_.send(request);
    if (!answer) {
      return tl::unexpected(answer.error());
    }
    if (answer->status != 200) {
      return judge(*answer, what, base_url_ + "/" + repository, access);
    }
    return std::move(answer->body);
  });
}

Result<HubListing> ModelHub::list(const std::string& repository, const std::string& revision,
                                  const Access& access, const Patience& patience) const {
  const auto answer =
      get(base_url_ + "/api/models/" + repository + "/revision/" + revision + "?blobs=true",
          "the model " + repository + " at revision " + revision, repository, access, patience);
  if (!answer) {
    return tl::unexpected(answer.error());
  }
  return read_listing(*answer, repository);
}

Result<std::string> ModelHub::file(const std::string& repository, const std::string& revision,
                                   const std::string& name, const Access& access,
                                   const Patience& patience) const {
  return get(url_of(repository, revision, name), "the file " + name + " of " + repository,
             repository, access, patience);
}

std::string ModelHub::url_of(const std::string& repository, const std::string& revision,
                             const std::string& name) const {
  return base_url_ + "/" + repository + "/resolve/" + revision + "/" + name;
}

}  // namespace tunesmith::planner
