// The documents of the files that a command is given.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/session.h"
#include "runtime/result.h"

namespace tunesmith::cli {

struct Document {
  nlohmann::json object;
  Kind kind = Kind::kWorkspace;
  std::string name_space, name;
  std::string where;  // "FILE, document 2"
};

// What could not be read, or is no object that tunesmith takes.
struct DocumentProblem {
  std::string where;
  Failure failure;
};

struct Documents {
  std::vector<Document> documents;  // ConfigMaps first: a Workspace that names one needs it there
  std::vector<DocumentProblem> problems;
};

// Of files, folders (their *.yaml, *.yml and *.json, by name) and "-" (standard input). Nothing
// stops at a problem: all are told.
Documents read_documents(const std::vector<std::string>& files, const std::string& name_space,
                         bool namespace_given);

// Pure: the documents of one text. `shown`: what the text is called.
void add_documents(const std::string& text, const std::string& shown, const std::string& name_space,
                   bool namespace_given, Documents& into);

// The files of a folder, or the file itself. Permanent `FileUnreadable`.
Result<std::vector<std::string>> manifest_files(const std::string& path);

// A text of a file or of standard input ("-"). Permanent `FileUnreadable`.
Result<std::string> read_input(const std::string& file);

}  // namespace tunesmith::cli
