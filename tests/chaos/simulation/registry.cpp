#include "simulation/registry.h"

#include <nlohmann/json.hpp>

#include "runtime/sha256.h"

namespace tunesmith::simulation {
namespace {

using nlohmann::json;

HttpResponse status(int code) { return {.status = code}; }

HttpResponse found(std::string body, int code = 200) {
  HttpResponse response{.status = code};
  response.headers.emplace("Content-Length", std::to_string(body.size()));
  response.body = std::move(body);
  return response;
}

std::string body_of(const HttpRequest& request) {
  if (!request.body_provider) return request.body;
  std::string bytes;
  while (bytes.size() < request.body_size) {
    const std::string piece = request.body_provider(bytes.size(), request.body_size - bytes.size());
    if (piece.empty()) break;
    bytes += piece;
  }
  return bytes;
}

// The value of a query parameter, with the only escape that digests need.
std::string parameter(const std::string& query, const std::string& name) {
  const auto at = query.find(name + "=");
  if (at == std::string::npos) return "";
  const auto begin = at + name.size() + 1;
  std::string value = query.substr(begin, query.find('&', begin) - begin);
  for (auto escape = value.find("%3A"); escape != std::string::npos; escape = value.find("%3A")) {
    value.replace(escape, 3, ":");
  }
  return value;
}

std::string digest(const std::string& bytes) { return "sha256:" + sha256_hex(bytes); }

}  // namespace

HttpResponse Registry::answer(const HttpRequest& request, const Url& url) {
  for (const char* mark : {"/blobs/uploads/", "/blobs/", "/manifests/"}) {
    const auto at = url.path.find(mark);
    if (!url.path.starts_with("/v2/") || at == std::string::npos) continue;
    const std::string repository = url.path.substr(4, at - 4);
    const std::string rest = url.path.substr(at + std::string(mark).size());
    if (denied.contains(repository) && request.method != "GET" && request.method != "HEAD") {
      return status(403);
    }
    if (std::string(mark) == "/blobs/uploads/") return upload(request, url, repository, rest);
    if (std::string(mark) == "/manifests/") return manifest(request, repository, rest);
    const auto blob = blobs_.find(rest);
    return blob == blobs_.end() ? status(404) : found(blob->second);
  }
  return status(404);
}

HttpResponse Registry::upload(const HttpRequest& request, const Url& url,
                              const std::string& repository, const std::string& rest) {
  HttpResponse response = status(202);
  if (request.method == "POST") {
    const std::string number = std::to_string(++numbers_);
    uploads_[number] = "";
    response.headers.emplace("Location", "/v2/" + repository + "/blobs/uploads/" + number);
    return response;
  }
  const auto upload = uploads_.find(rest);
  if (upload == uploads_.end()) return status(404);
  if (request.method == "DELETE") {
    uploads_.erase(upload);
    return status(204);
  }
  if (request.method == "GET") {
    response.status = 204;
    response.headers.emplace(
        "Range", "0-" + std::to_string(upload->second.empty() ? 0 : upload->second.size() - 1));
    return response;
  }
  upload->second += body_of(request);
  response.headers.emplace("Location", url.path);
  if (request.method == "PATCH") return response;
  const std::string promised = parameter(url.query, "digest");
  if (digest(upload->second) != promised) return status(400);
  blobs_[promised] = upload->second;
  uploads_.erase(upload);
  response.status = 201;
  return response;
}

HttpResponse Registry::manifest(const HttpRequest& request, const std::string& repository,
                                const std::string& reference) {
  if (request.method == "PUT") {
    const std::string body = body_of(request);
    const json document = json::parse(body, nullptr, false);
    for (const auto& layer : document.value("layers", json::array())) {
      if (!blobs_.contains(layer.value("digest", ""))) return status(400);
    }
    if (!loses_tags || history.size() % 3 != 2) manifests_[repository + ":" + reference] = body;
    manifests_[repository + ":" + digest(body)] = body;
    history[repository + ":" + reference].push_back(digest(body));
    return status(201);
  }
  const auto stored = manifests_.find(repository + ":" + reference);
  return stored == manifests_.end() ? status(404) : found(stored->second);
}

std::string Registry::digest_of(const std::string& image) const {
  const auto stored = manifests_.find(image);
  return stored == manifests_.end() ? "" : digest(stored->second);
}

std::string Registry::tuning_key_of(const std::string& image) const {
  const auto stored = manifests_.find(image);
  if (stored == manifests_.end()) return "";
  return json::parse(stored->second)["annotations"].value("dev.tunesmith.tuning-key", "");
}

namespace {

constexpr const char* kConfig =
    R"({"model_type":"llama","vocab_size":256,"hidden_size":64,"intermediate_size":128,)"
    R"("num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,)"
    R"("max_position_embeddings":512,"tie_word_embeddings":true})";
constexpr const char* kTokenizer = R"({"model":{"type":"BPE"}})";
constexpr const char* kWeights = "the weights of a small model";
constexpr const char* kRevision = "0123456789abcdef0123456789abcdef01234567";

// Answers a Range from some byte on.
HttpResponse ranged(const HttpRequest& request, const std::string& body) {
  const auto range = request.headers.find("Range");
  std::size_t first = 0, last = body.size() - 1;
  if (range != request.headers.end()) {
    const auto dash = range->second.find('-');
    first = std::stoul(range->second.substr(6, dash - 6));
    if (dash + 1 < range->second.size()) {
      last = std::min<std::size_t>(last, std::stoul(range->second.substr(dash + 1)));
    }
    if (first >= body.size()) return status(416);
  }
  HttpResponse response = found(body.substr(first, last - first + 1));
  if (range != request.headers.end()) {
    response.status = 206;
    response.headers.emplace("Content-Range", "bytes " + std::to_string(first) + "-" +
                                                  std::to_string(last) + "/" +
                                                  std::to_string(body.size()));
  }
  return response;
}

}  // namespace

HttpResponse hub_answer(const HttpRequest& request, const Url& url) {
  if (url.path.starts_with("/api/models/")) {
    const auto file = [](const char* name, const char* content, bool large) {
      json sibling = {{"rfilename", name}, {"size", std::string(content).size()}};
      if (large) sibling["lfs"] = {{"sha256", sha256_hex(content)}, {"size", sibling["size"]}};
      return sibling;
    };
    static const std::string kListing = json{
        {"sha", kRevision},
        {"siblings",
         {file("config.json", kConfig, false), file("tokenizer.json", kTokenizer, false),
          file("model.safetensors", kWeights,
               true)}}}.dump();
    return found(kListing);
  }
  for (const auto& [name, content] : {std::pair("/config.json", kConfig),
                                      {"/tokenizer.json", kTokenizer},
                                      {"/model.safetensors", kWeights}}) {
    if (url.path.ends_with(name)) return ranged(request, content);
  }
  return status(404);
}

HttpResponse data_answer(const HttpRequest& request, const Url& url) {
  if (url.path.find("missing") != std::string::npos) return status(404);
  HttpResponse response = ranged(request, R"({"text":"what is learnt from )" + url.path + "\"}\n");
  response.headers.emplace("ETag", "\"v1\"");
  return response;
}

}  // namespace tunesmith::simulation
