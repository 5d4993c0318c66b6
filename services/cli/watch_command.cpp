#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/format.h"
#include "cli/json_view.h"
#include "cli/progress_line.h"
#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

// Shows one Workspace as its entries change, and knows when to end.
class Follower {
 public:
  Follower(const CommandContext& context, json object)
      : context_(context), object_(std::move(object)) {}

  // True = go on.
  bool see(const bus::KeyValueEntry& entry) {
    const bool is_spec = entry.key.starts_with("spec.");
    if (is_spec && entry.deleted) {
      exit_code_ = 1;
      finish_line();
      context_.err << "Workspace " << text_at(object_, "/metadata/name") << " was deleted\n";
      return false;
    }
    json value = entry.deleted ? json::object() : json::parse(entry.value, nullptr, false);
    if (!value.is_object()) return true;
    (is_spec ? object_ : status_) = std::move(value);
    if (caught_up_) return show();
    return true;
  }

  bool caught_up() {
    caught_up_ = true;
    return show();
  }

  int exit_code() const { return exit_code_; }
  void finish_line() {
    if (context_.terminal && !last_.empty()) context_.out << "\n";
    last_.clear();
    context_.out << std::flush;
  }

 private:
  bool show() {
    const std::string line =
        context_.terminal ? terminal_line(status_, terminal_width() - 1) : plain_line(status_);
    if (line != last_) {
      if (context_.terminal) {
        context_.out << "\r" << line << "\x1b[K" << std::flush;
      } else {
        const std::string time = rfc3339(std::chrono::system_clock::now());
        context_.out << time.substr(11, 8) << "  " << line << std::endl;
      }
      last_ = line;
    }
    const std::string end = final_state(object_, status_);
    if (end.empty()) return true;
    finish_line();
    context_.out << summary(object_, status_) << std::flush;
    exit_code_ = end == "Succeeded" ? 0 : 1;
    return false;
  }

  const CommandContext& context_;
  json object_;
  json status_ = json::object();
  std::string last_;
  bool caught_up_ = false;
  int exit_code_ = 1;
};

}  // namespace

Result<int> watch(const CommandContext& context, const std::vector<std::string>& arguments) {
  auto opened = open_workspace(context, arguments);
  if (!opened) return tl::unexpected(opened.error());
  auto& [session, object] = *opened;
  const std::string name = text_at(object, "/metadata/name");
  Follower follower(context, std::move(object));
  std::stop_source enough;
  const std::stop_callback on_ctrl_c(context.stop, [&] { enough.request_stop(); });
  const auto go_on = [&](bool more) {
    if (!more) enough.request_stop();
  };
  const auto watched = session.workspaces->watch(
      "*." + context.name_space + "." + name,
      [&](const bus::KeyValueEntry& entry) {
        const bool ours = entry.key.starts_with("spec.") || entry.key.starts_with("status.");
        if (ours && !enough.stop_requested()) go_on(follower.see(entry));
      },
      [&] {
        if (!enough.stop_requested()) go_on(follower.caught_up());
      },
      enough.get_token());
  if (!watched) {
    follower.finish_line();
    return tl::unexpected(watched.error());
  }
  if (context.stop.stop_requested()) follower.finish_line();
  return follower.exit_code();
}

}  // namespace tunesmith::cli
