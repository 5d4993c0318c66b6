// For tests: a model folder that can be changed and that goes away.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "formats/test_folder.h"

namespace tunesmith::engine {

class TemporaryModel {
 public:
  // A copy of `from`, which holds no chat template.
  explicit TemporaryModel(const std::filesystem::path& from) {
    std::filesystem::copy(from, dir(), std::filesystem::copy_options::recursive);
  }
  // With the text as chat template.
  TemporaryModel(const std::filesystem::path& from, const std::string& chat_template)
      : TemporaryModel(from) {
    std::ofstream(dir() / "chat_template.jinja") << chat_template;
  }
  // With a copy of the file as chat template.
  TemporaryModel(const std::filesystem::path& from, const std::filesystem::path& chat_template)
      : TemporaryModel(from) {
    std::filesystem::copy_file(chat_template, dir() / "chat_template.jinja");
  }

  const std::filesystem::path& dir() const { return folder_.path(); }

 private:
  TestFolder folder_;
};

}  // namespace tunesmith::engine
