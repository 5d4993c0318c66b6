// The part of the Hugging Face hub's HTTP interface that a download needs, over folders of files.
// Source: https://huggingface.co/docs/hub/api and what huggingface_hub's client sends and reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace tunesmith::testing {

// SHA-256 of files, computed once per version (path, size, time of change). Safe to use from
// several threads.
class Digests {
 public:
  // Lower-case hex; empty when the file cannot be read.
  std::string sha256(const std::filesystem::path& file);

 private:
  struct Entry {
    std::uintmax_t size = 0;
    std::filesystem::file_time_type changed;
    std::string sha256;
  };
  std::mutex mutex_;
  std::map<std::filesystem::path, Entry> entries_;
};

struct HubFile {
  std::string name;  // relative to the model's folder, with "/"
  std::filesystem::path path;
  std::uintmax_t size = 0;
  std::string sha256;
};

struct HubModel {
  std::string id;        // "org/name"
  std::string revision;  // 40 hex digits that follow from the names and contents of the files
  std::vector<HubFile> files;
};

// The model in `root`/models/<id>; hidden files are no part of it. Nothing when there is no such
// folder.
std::optional<HubModel> find_model(const std::filesystem::path& root, const std::string& id,
                                   Digests& digests);

// What GET /api/models/<id>/revision/<rev> answers; sizes and digests only with ?blobs=true, a
// digest only for weights, because the hub tells it only for files in its large file storage.
nlohmann::json describe_model(const HubModel& model, bool blobs);

}  // namespace tunesmith::testing
