#include "cli/get_watch.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/json_view.h"
#include "cli/object_table.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

// "spec.default.a" → "default.a", and whether it is the object itself.
struct Place {
  std::string object;
  bool is_status = false;
};

std::optional<Place> place_of(const std::string& key, Kind kind) {
  for (const auto& [prefix, is_status] : {std::pair(std::string("status."), true),
                                          {std::string("spec."), false},
                                          {std::string("configmap."), false}}) {
    if (!key.starts_with(prefix)) continue;
    if ((prefix == "configmap.") != (kind == Kind::kConfigMap)) return std::nullopt;
    return Place{key.substr(prefix.size()), is_status};
  }
  return std::nullopt;
}

class Rows {
 public:
  Rows(const CommandContext& context, const GetOptions& options, const Target& target)
      : context_(context), options_(options), target_(target) {}

  void see(const bus::KeyValueEntry& entry) {
    const auto place = place_of(entry.key, target_.kind);
    if (!place || !is_wanted(place->object)) return;
    Known& known = all_[place->object];
    json value = entry.deleted ? json() : json::parse(entry.value, nullptr, false);
    if (value.is_object()) value.erase("facts");  // the watcher's own notes
    if (place->is_status) {
      known.status = value.is_object() ? std::move(value) : json();
    } else {
      known.object = value.is_object() ? std::move(value) : json();
    }
    if (caught_up_) show(place->object);
  }

  void caught_up() {
    caught_up_ = true;
    std::erase_if(all_, [](const auto& one) { return one.second.object.is_null(); });
    std::vector<json> objects;
    for (auto& [name, known] : all_) {
      objects.push_back(whole(known));
      known.shown = row(objects.back(), true);
    }
    if (!options_.output.empty() && options_.output != "wide") {
      for (const json& object : objects) print(object);
    } else {
      table_ = table_of(objects, false);
      context_.out << to_text(table_) << std::flush;
    }
  }

 private:
  struct Known {
    json object, status;
    std::vector<std::string> shown;  // without its age
  };

  // "default.a": the name may hold dots itself.
  bool is_wanted(const std::string& place) const {
    const std::size_t dot = place.find('.');
    const std::string name = place.substr(dot + 1);
    const auto& names = target_.names;
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
  }

  static json whole(const Known& known) {
    json object = known.object;
    if (known.status.is_object() && !known.status.empty()) object["status"] = known.status;
    return object;
  }

  // Ages change all the time: `timeless` rows are compared, the others printed.
  Table table_of(const std::vector<json>& objects, bool timeless) const {
    const TableOptions look{
        options_.output == "wide", options_.all_namespaces,
        timeless ? std::chrono::system_clock::time_point() : std::chrono::system_clock::now()};
    return target_.kind == Kind::kWorkspace ? workspace_table(objects, look)
                                            : config_map_table(objects, look);
  }
  std::vector<std::string> row(const json& object, bool timeless) const {
    return table_of({object}, timeless).rows.front();
  }

  void print(const json& object) const {
    if (options_.output == "name") {
      context_.out << shown_name(target_.kind, text_at(object, "/metadata/name")) << std::endl;
    } else {
      context_.out << object.dump() << std::endl;
    }
  }

  void show(const std::string& place) {
    const auto found = all_.find(place);
    if (found == all_.end()) return;
    Known& known = found->second;
    if (known.object.is_null()) {
      if (!known.shown.empty()) {
        context_.err << shown_name(target_.kind, place.substr(place.find('.') + 1)) << " deleted"
                     << std::endl;
      }
      all_.erase(found);
      return;
    }
    const json object = whole(known);
    auto now = row(object, true);
    if (now == known.shown) return;
    known.shown = std::move(now);
    if (!options_.output.empty() && options_.output != "wide") {
      print(object);
    } else {
      context_.out << row_below(table_, row(object, false)) << std::flush;
    }
  }

  const CommandContext& context_;
  const GetOptions& options_;
  const Target& target_;
  std::map<std::string, Known> all_;
  Table table_;
  bool caught_up_ = false;
};

}  // namespace

Result<int> get_and_watch(const CommandContext& context, const GetOptions& options,
                          const Target& target) {
  if (options.output == "yaml") {
    return permanent("UsageError", "get -w: expected -o wide, json or name, found yaml");
  }
  auto session = open_session(context);
  if (!session) return tl::unexpected(session.error());
  Rows rows(context, options, target);
  const std::string pattern = options.all_namespaces ? ">" : "*." + context.name_space + ".>";
  const auto watched = session->workspaces->watch(
      pattern, [&](const bus::KeyValueEntry& entry) { rows.see(entry); }, [&] { rows.caught_up(); },
      context.stop);
  if (!watched) return tl::unexpected(watched.error());
  return 0;
}

}  // namespace tunesmith::cli
