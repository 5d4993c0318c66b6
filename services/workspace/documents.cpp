#include "workspace/documents.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "runtime/text.h"

namespace tunesmith::workspace {
namespace {

using nlohmann::json;

// Ends the parse from inside a callback of yaml-cpp; never leaves this file.
struct Refused : std::runtime_error {
  Refused(const YAML::Mark& mark, const std::string& what)
      : std::runtime_error(where(mark) + what) {}
  static std::string where(const YAML::Mark& mark) {
    return "line " + std::to_string(mark.line + 1) + ", column " + std::to_string(mark.column + 1) +
           ": ";
  }
};

// The number that the whole text spells, in the given base (integers only).
template <typename T, typename... Base>
std::optional<T> number(std::string_view text, Base... base) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base...);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

bool looks_like_number(std::string_view text) {
  std::size_t digits = 0;
  for (const char c : text) {
    digits += c >= '0' && c <= '9' ? 1 : 0;
    if ((c < '0' || c > '9') && c != '+' && c != '-' && c != '.' && c != 'e' && c != 'E') {
      return false;
    }
  }
  return digits > 0;
}

// YAML 1.2, chapter 10.3.2: the core schema.
json plain_scalar(std::string_view text) {
  if (text == "true" || text == "True" || text == "TRUE") {
    return true;
  }
  if (text == "false" || text == "False" || text == "FALSE") {
    return false;
  }
  if (text.starts_with("0x") || text.starts_with("0o")) {
    if (const auto value = number<std::uint64_t>(text.substr(2), text[1] == 'x' ? 16 : 8)) {
      return *value;
    }
    return std::string(text);
  }
  const std::string_view digits = text.starts_with('+') ? text.substr(1) : text;
  if (!looks_like_number(digits) || digits.starts_with('+')) {
    return std::string(text);
  }
  if (const auto value = number<std::int64_t>(digits)) {
    return *value;
  }
  if (const auto value = number<std::uint64_t>(digits)) {
    return *value;
  }
  if (const auto value = number<double>(digits); value && std::isfinite(*value)) {
    return *value;
  }
  return std::string(text);
}

// What a value adds to the document.
struct Size {
  std::size_t nodes = 1, text_bytes = 0, depth = 1;
};

Size size_of(const json& value) {
  Size size;
  if (value.is_string()) {
    size.text_bytes = value.get_ref<const std::string&>().size();
  }
  if (value.is_structured()) {
    for (const auto& item : value) {
      const Size part = size_of(item);
      size.nodes += part.nodes;
      size.text_bytes += part.text_bytes;
      size.depth = std::max(size.depth, part.depth + 1);
    }
  }
  return size;
}

// Builds the JSON of one document from events, so that bounds hold before memory is spent.
class Builder : public YAML::EventHandler {
 public:
  Builder(const YamlLimits& limits, Size& used) : limits_(limits), used_(used) {}

  json take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    value(mark, anchor, nullptr);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    const bool plain = tag == "?" || tag.empty();
    if (expecting_key()) {
      return key(mark, text);
    }
    value(mark, anchor, plain ? plain_scalar(text) : json(text));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      throw Refused(mark, "an alias stands inside the value it names");
    }
    if (stack_.size() + size_of(found->second).depth > limits_.max_depth) {
      throw Refused(mark, too_deep());
    }
    value(mark, 0, found->second);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, anchor, json::array());
  }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, anchor, json::object());
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    json value;
    YAML::anchor_t anchor = 0;
    std::optional<std::string> key;  // of a mapping: the key that waits for its value
  };

  bool expecting_key() const {
    return !stack_.empty() && stack_.back().value.is_object() && !stack_.back().key;
  }
  std::string too_deep() const {
    return "nested more than " + std::to_string(limits_.max_depth) + " levels deep";
  }
  void count(const YAML::Mark& mark, const Size& size) {
    used_.nodes += size.nodes;
    used_.text_bytes += size.text_bytes;
    if (used_.nodes > limits_.max_nodes || used_.text_bytes > limits_.max_text_bytes) {
      throw Refused(mark, "more than " + std::to_string(limits_.max_nodes) + " values or " +
                              std::to_string(limits_.max_text_bytes) +
                              " bytes of text after aliases are expanded");
    }
  }
  void key(const YAML::Mark& mark, const std::string& text) {
    if (stack_.back().value.contains(text)) {
      throw Refused(mark, "the key '" + text + "' stands twice in one mapping");
    }
    count(mark, {1, text.size(), 1});
    stack_.back().key = text;
  }
  void value(const YAML::Mark& mark, YAML::anchor_t anchor, json item) {
    if (expecting_key()) {
      throw Refused(mark, "a key must be text");
    }
    count(mark, size_of(item));
    if (anchor != 0) {
      anchors_[anchor] = item;
    }
    put(std::move(item));
  }
  void put(json item) {
    if (stack_.empty()) {
      root_ = std::move(item);
    } else if (Frame& top = stack_.back(); top.value.is_array()) {
      top.value.push_back(std::move(item));
    } else {
      top.value[*top.key] = std::move(item);
      top.key.reset();
    }
  }
  void open(const YAML::Mark& mark, YAML::anchor_t anchor, json empty) {
    if (expecting_key()) {
      throw Refused(mark, "a key must be text");
    }
    count(mark, {});
    if (stack_.size() >= limits_.max_depth) {
      throw Refused(mark, too_deep());
    }
    stack_.push_back({std::move(empty), anchor, std::nullopt});
  }
  void close() {
    Frame done = std::move(stack_.back());
    stack_.pop_back();
    if (done.anchor != 0) {
      anchors_[done.anchor] = done.value;
    }
    put(std::move(done.value));
  }

  const YamlLimits& limits_;
  Size& used_;
  json root_;
  std::vector<Frame> stack_;
  std::map<YAML::anchor_t, json> anchors_;
};

Result<std::vector<json>> parse_all(std::string_view text, const YamlLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return permanent("ManifestInvalid", "the YAML text has " + std::to_string(text.size()) +
                                            " bytes, at most " + std::to_string(limits.max_bytes) +
                                            " are read");
  }
  if (!is_utf8(text) || text.find('\0') != std::string_view::npos) {
    return permanent("ManifestInvalid", "the YAML text is not UTF-8");
  }
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    std::vector<json> documents;
    for (Size used;;) {
      Builder builder(limits, used);
      if (!parser.HandleNextDocument(builder)) {
        return documents;
      }
      documents.push_back(builder.take());
    }
  } catch (const YAML::Exception& error) {
    return permanent("ManifestInvalid",
                     "this is no YAML: " + Refused::where(error.mark) + error.msg);
  } catch (const Refused& error) {
    return permanent("ManifestInvalid", std::string("this YAML is refused: ") + error.what());
  }
}

std::string text_member(const json& object, const char* name) {
  if (!object.is_object()) {
    return {};
  }
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

Result<std::vector<json>> parse_documents(std::string_view text, const YamlLimits& limits) {
  auto documents = parse_all(text, limits);
  if (!documents) {
    return documents;
  }
  std::erase_if(*documents, [](const json& document) { return document.is_null(); });
  for (std::size_t i = 0; i < documents->size(); ++i) {
    if (!(*documents)[i].is_object()) {
      return permanent("ManifestInvalid", "document " + std::to_string(i + 1) +
                                              " is no mapping, expected an object with apiVersion "
                                              "and kind");
    }
  }
  return documents;
}

Result<json> parse_value(std::string_view text, const YamlLimits& limits) {
  auto documents = parse_all(text, limits);
  if (!documents) {
    return tl::unexpected(documents.error());
  }
  if (documents->size() > 1) {
    return permanent("ManifestInvalid",
                     "expected one YAML document, found " + std::to_string(documents->size()));
  }
  return documents->empty() ? json(nullptr) : std::move(documents->front());
}

ObjectKey key_of(const json& object) {
  const json metadata = object.is_object() ? object.value("metadata", json()) : json();
  const std::string name_space = text_member(metadata, "namespace");
  return {text_member(object, "apiVersion"), text_member(object, "kind"),
          name_space.empty() ? "default" : name_space, text_member(metadata, "name")};
}

std::string kind_of(const json& object) { return text_member(object, "kind"); }

bool is_workspace(const json& object) {
  const std::string version = text_member(object, "apiVersion");
  return kind_of(object) == "Workspace" &&
         (version == "kaito.sh/v1alpha1" || version == "kaito.sh/v1beta1");
}

bool is_config_map(const json& object) {
  return kind_of(object) == "ConfigMap" && text_member(object, "apiVersion") == "v1";
}

}  // namespace tunesmith::workspace
