// For tests: a model folder that can be changed and that goes away.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace tunesmith::engine {

class TemporaryModel {
 public:
  // A copy of `from`, which holds no chat template.
  explicit TemporaryModel(const std::filesystem::path& from) {
    std::string pattern = (std::filesystem::temp_directory_path() / "tunesmith-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
    dir_ = pattern;
    std::filesystem::copy(from, dir_, std::filesystem::copy_options::recursive);
  }
  // With the text as chat template.
  TemporaryModel(const std::filesystem::path& from, const std::string& chat_template)
      : TemporaryModel(from) {
    std::ofstream(dir_ / "chat_template.jinja") << chat_template;
  }
  // With a copy of the file as chat template.
  TemporaryModel(const std::filesystem::path& from, const std::filesystem::path& chat_template)
      : TemporaryModel(from) {
    std::filesystem::copy_file(chat_template, dir_ / "chat_template.jinja");
  }
  TemporaryModel(const TemporaryModel&) = delete;
  TemporaryModel& operator=(const TemporaryModel&) = delete;
  ~TemporaryModel() {
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }

  const std::filesystem::path& dir() const { return dir_; }

 private:
  std::filesystem::path dir_;
};

}  // namespace tunesmith::engine
