#include "cli/manifest_input.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>

#include "cli/json_view.h"
#include "runtime/text.h"
#include "workspace/documents.h"

namespace tunesmith::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

Result<Document> read_document(json object, const std::string& where, const std::string& name_space,
                               bool namespace_given) {
  Document document{std::move(object), Kind::kWorkspace, "", "", where};
  const auto key = workspace::key_of(document.object);
  if (workspace::is_config_map(document.object)) {
    document.kind = Kind::kConfigMap;
  } else if (!workspace::is_workspace(document.object)) {
    return permanent("KindUnknown", "'" + key.api_version + " " + key.kind +
                                        "' is not for tunesmith, which applies kaito.sh Workspaces "
                                        "and v1 ConfigMaps");
  }
  const std::string written = text_at(document.object, "/metadata/namespace");
  if (!written.empty() && namespace_given && written != name_space) {
    return permanent("NamespaceMismatch", "the document says namespace \"" + written +
                                              "\", the command \"" + name_space + "\"");
  }
  document.name_space = written.empty() ? name_space : written;
  document.name = key.name;
  if (document.object.contains("metadata") && document.object["metadata"].is_object()) {
    document.object["metadata"]["namespace"] = document.name_space;
  }
  return document;
}

bool is_manifest(const fs::path& file) {
  const std::string ending = file.extension();
  return ending == ".yaml" || ending == ".yml" || ending == ".json";
}

}  // namespace

void add_documents(const std::string& text, const std::string& shown, const std::string& name_space,
                   bool namespace_given, Documents& into) {
  auto objects = workspace::parse_documents(text);
  if (!objects) {
    into.problems.push_back({shown, objects.error()});
    return;
  }
  for (std::size_t i = 0; i < objects->size(); ++i) {
    const std::string where =
        objects->size() == 1 ? shown : shown + ", document " + std::to_string(i + 1);
    auto document = read_document(std::move((*objects)[i]), where, name_space, namespace_given);
    if (document) {
      into.documents.push_back(std::move(*document));
    } else {
      into.problems.push_back({where, document.error()});
    }
  }
}

Result<std::vector<std::string>> manifest_files(const std::string& path) {
  std::error_code error;
  if (path == "-" || !fs::is_directory(path, error)) return std::vector<std::string>{path};
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (is_manifest(entry.path())) files.push_back(entry.path());
  }
  if (error) {
    return permanent("FileUnreadable", "cannot read the folder " + path + ": " + error.message());
  }
  if (files.empty()) {
    return permanent("FileUnreadable",
                     "the folder " + path + " has no file that ends in .yaml, .yml or .json");
  }
  std::sort(files.begin(), files.end());
  return files;
}

Documents read_documents(const std::vector<std::string>& files, const std::string& name_space,
                         bool namespace_given) {
  Documents all;
  for (const std::string& path : files) {
    const auto found = manifest_files(path);
    if (!found) {
      all.problems.push_back({path, found.error()});
      continue;
    }
    for (const std::string& file : *found) {
      const std::string shown = file == "-" ? "standard input" : file;
      const auto text = read_input(file);
      if (text) {
        add_documents(*text, shown, name_space, namespace_given, all);
      } else {
        all.problems.push_back({shown, text.error()});
      }
    }
  }
  std::stable_sort(all.documents.begin(), all.documents.end(), [](const auto& a, const auto& b) {
    return a.kind == Kind::kConfigMap && b.kind != Kind::kConfigMap;
  });
  return all;
}

Result<std::string> read_input(const std::string& file) {
  if (file != "-") return read_file(file);
  return std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
}

}  // namespace tunesmith::cli
