// Who uses tunesmith: applies Workspaces, edits, suspends, retries and deletes them, as the command
// line would (its own pure functions decide what is stored).
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "simulation/world.h"

namespace tunesmith::simulation {

class Person {
 public:
  explicit Person(World& world);

  // Everything this person will do, at times up to `until`.
  void make_plans(Time until);
  void apply_config_map();
  // Where something failed for a reason that has gone away, asks once more. How many.
  int retry_what_failed();
  void resume_all();
  void delete_all();

  // Names used so far.
  const std::vector<std::string>& names() const { return names_; }
  // The object as stored; nullopt when there is none.
  std::optional<nlohmann::json> object(const std::string& name) const;
  std::optional<nlohmann::json> status(const std::string& name) const;
  // The uids of all objects there ever were → name.
  const std::map<std::string, std::string>& uids() const { return uids_; }

  // Failures that go away by themselves, so that asking again must succeed in the end.
  static bool is_temporary(const std::string& reason);

 private:
  void create(const std::string& name);
  void act(const std::string& name);
  void edit(const std::string& name);
  void edit_output(const std::string& name);
  void annotate(const std::string& name, const char* annotation, std::optional<std::string> value);
  void retry(const std::string& name);
  void remove(const std::string& name);
  void apply(const nlohmann::json& manifest, const char* what);
  nlohmann::json new_manifest(const std::string& name);
  std::string new_image(const std::string& name);
  std::string data_url();
  std::string now_text() const;

  World& world_;
  Random random_;
  std::vector<std::string> names_;
  std::map<std::string, nlohmann::json> manifests_;  // as this person has them
  std::map<std::string, std::string> uids_;
};

}  // namespace tunesmith::simulation
