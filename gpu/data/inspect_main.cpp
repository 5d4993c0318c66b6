// tunesmith-inspect: looks into data files for a service that should not. See README.md.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "data/image_layers.h"
#include "data/inspect.h"
#include "data/parquet_table.h"

namespace tunesmith::engine {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::vector<std::filesystem::path> data;
  std::string model;
  std::string head;
  std::string footer;
  std::string name;
  std::uint64_t size = 0;
  DataOptions options;
  std::vector<std::filesystem::path> image_layers;
  std::filesystem::path extract;
  ImageLimits image_limits;
  bool partial = false;
};

// Of what the caller fetched: bounded.
constexpr std::uintmax_t kMaxPieceSizeBytes = 80U << 20;

Result<std::string> read_piece(const std::string& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error || size > kMaxPieceSizeBytes) {
    return permanent("DataNotReadable", path + ": no such file, or too large for a piece of one");
  }
  std::string bytes(size, '\0');
  std::ifstream in(path, std::ios::binary);
  if (!in.read(bytes.data(), static_cast<std::streamsize>(size))) {
    return permanent("DataNotReadable", path + ": cannot be read");
  }
  return bytes;
}

Result<Json> inspect_data(const Arguments& arguments) {
  std::optional<Tokenizer> tokenizer;
  if (!arguments.model.empty()) {
    auto loaded = Tokenizer::load(arguments.model);
    if (!loaded) return tl::unexpected(loaded.error());
    tokenizer.emplace(*std::move(loaded));
  }
  return inspect_files(arguments.data, arguments.options, tokenizer ? &*tokenizer : nullptr);
}

Result<Json> inspect_pieces(const Arguments& arguments, std::uint64_t& needed_bytes) {
  if (!arguments.footer.empty()) {
    auto footer = read_piece(arguments.footer);
    if (!footer) return tl::unexpected(footer.error());
    needed_bytes = parquet_footer_size(*footer);
    return inspect_footer(*footer, arguments.name);
  }
  auto head = read_piece(arguments.head);
  if (!head) return tl::unexpected(head.error());
  return inspect_head(*std::move(head), arguments.name, arguments.size);
}

Result<Json> unpack_image(const Arguments& arguments) {
  const auto data = extract_image_data(arguments.image_layers, arguments.extract,
                                       arguments.image_limits, arguments.partial);
  if (!data) return tl::unexpected(data.error());
  return image_data_json(*data);
}

int run(const Arguments& arguments) {
  std::uint64_t needed_bytes = 0;
  const auto result = !arguments.image_layers.empty() ? unpack_image(arguments)
                      : arguments.data.empty()        ? inspect_pieces(arguments, needed_bytes)
                                                      : inspect_data(arguments);
  Json json;
  if (result) {
    json = *result;
  } else {
    json = failure_json(result.error());
    if (result.error().reason == "FooterTooShort") json["failure"]["needed_bytes"] = needed_bytes;
  }
  // Names come from outside: what is not UTF-8 in them is replaced.
  std::cout << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
  return result ? 0 : 1;
}

}  // namespace
}  // namespace tunesmith::engine

int main(int argc, char** argv) {
  tunesmith::engine::Arguments arguments;
  CLI::App app("Looks into data files and says as JSON what they hold.", "tunesmith-inspect");
  auto* data = app.add_option("--data", arguments.data, "files to read whole");
  app.add_option("--model", arguments.model, "model folder: count tokens too")->needs(data);
  app.add_option("--max-seq-length", arguments.options.max_seq_length, "examples are cut here");
  app.add_option("--train-test-split", arguments.options.train_test_split, "share to train on")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--seed", arguments.options.seed, "seed of the split");
  auto* head =
      app.add_option("--head", arguments.head, "file with the first bytes")->excludes(data);
  app.add_option("--size", arguments.size, "size of the whole file in bytes")->needs(head);
  auto* footer =
      app.add_option("--footer", arguments.footer, "file with the last bytes, for parquet")
          ->excludes(data)
          ->excludes(head);
  app.add_option("--name", arguments.name, "name of the whole file, for its ending and messages");
  auto* extract =
      app.add_option("--extract", arguments.extract, "empty folder for an image's data");
  auto* layers = app.add_option("--image-layers", arguments.image_layers,
                                "layers of an image, from the lowest: unpack its /data")
                     ->needs(extract)
                     ->excludes(data)
                     ->excludes(head)
                     ->excludes(footer);
  app.add_option("--max-bytes", arguments.image_limits.max_bytes, "of all layers, unpacked")
      ->needs(layers);
  app.add_flag("--partial", arguments.partial, "the files are beginnings of layers")->needs(layers);
  CLI11_PARSE(app, argc, argv);
  if (data->empty() && head->empty() && footer->empty() && layers->empty()) {
    std::cerr
        << "tunesmith-inspect: one of --data, --head, --footer and --image-layers is needed\n";
    return 2;
  }
  if (arguments.name.empty()) arguments.name = head->empty() ? arguments.footer : arguments.head;
  return tunesmith::engine::run(arguments);
}
