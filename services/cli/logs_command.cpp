// `tunesmith logs`.
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/commands.h"
#include "cli/json_view.h"
#include "cli/progress_line.h"
#include "cli/worker_log.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

// Blocks until the Workspace has ended, was deleted, or `stop`.
Result<void> wait_for_end(Session& session, const std::string& name_space, const std::string& name,
                          json object, std::stop_token stop) {
  std::stop_source enough;
  const std::stop_callback on_stop(stop, [&] { enough.request_stop(); });
  json status = json::object();
  bool caught_up = false;
  const auto look = [&] {
    if (caught_up && !final_state(object, status).empty()) enough.request_stop();
  };
  return session.workspaces->watch(
      "*." + name_space + "." + name,
      [&](const bus::KeyValueEntry& entry) {
        const bool is_spec = entry.key.starts_with("spec.");
        if (!is_spec && !entry.key.starts_with("status.")) return;
        if (is_spec && entry.deleted) enough.request_stop();
        json value = entry.deleted ? json::object() : json::parse(entry.value, nullptr, false);
        if (value.is_object()) (is_spec ? object : status) = std::move(value);
        look();
      },
      [&] {
        caught_up = true;
        look();
      },
      enough.get_token());
}

class Printer {
 public:
  Printer(const CommandContext& context, const LogsOptions& options, LogFilter filter)
      : context_(context), json_(options.output == "json"), filter_(std::move(filter)) {}

  void add(const std::vector<bus::LogLine>& lines, std::uint64_t behind) {
    batches_ += 1;
    print(filter_.add(lines, behind == 0));
  }
  void finish() { print(filter_.finish()); }
  std::uint64_t batches() const { return batches_; }

 private:
  void print(const std::vector<bus::LogLine>& lines) {
    const Style style = context_.style();
    for (const bus::LogLine& line : lines) {
      context_.out << (json_ ? worker_log_json(line) : worker_log_line(line, style)) << "\n";
    }
    if (!lines.empty()) context_.out << std::flush;
  }

  const CommandContext& context_;
  const bool json_;
  LogFilter filter_;
  std::uint64_t batches_ = 0;
};

// Everything that is stored; nothing of the first `seen` batches.
Result<void> read_stored(const CommandContext& context, bus::LogStream& logs,
                         const std::string& uid, std::uint64_t seen, Printer& printer) {
  return logs.read(
      uid, false,
      [&](const std::vector<bus::LogLine>& lines, std::uint64_t behind) {
        if (seen > 0) {
          --seen;
        } else {
          printer.add(lines, behind);
        }
        return true;
      },
      context.stop);
}

}  // namespace

Result<int> logs(const CommandContext& context, const LogsOptions& options) {
  std::optional<std::chrono::system_clock::time_point> since;
  if (!options.since.empty()) {
    const auto time = since_time(options.since, std::chrono::system_clock::now());
    if (!time) return tl::unexpected(time.error());
    since = *time;
  }
  auto opened = open_workspace(context, options.arguments);
  if (!opened) return tl::unexpected(opened.error());
  auto& [session, object] = *opened;
  const std::string uid = text_at(object, "/metadata/uid");
  const std::string name = text_at(object, "/metadata/name");
  Printer printer(context, options, LogFilter(since, options.tail));
  bus::LogStream& stream = session.connection->logs();
  Result<void> read;
  if (options.follow) {
    // The worker publishes its last lines before it announces the end, so what is stored when the
    // end is seen is all of it.
    std::stop_source ended;
    const std::stop_callback on_ctrl_c(context.stop, [&] { ended.request_stop(); });
    Result<void> watched;
    {
      std::jthread watcher([&](const std::stop_token& stop) {
        watched = wait_for_end(session, context.name_space, name, object, stop);
        ended.request_stop();
      });
      read = stream.read(
          uid, true,
          [&](const std::vector<bus::LogLine>& lines, std::uint64_t behind) {
            printer.add(lines, behind);
            return true;
          },
          ended.get_token());
    }
    if (read && !watched) read = watched;
    if (read && context.stop.stop_requested()) return 0;
  }
  if (read) read = read_stored(context, stream, uid, printer.batches(), printer);
  if (!read) return tl::unexpected(read.error());
  printer.finish();
  if (printer.batches() == 0) {
    context.err << "No log lines of " << name
                << ": no worker has begun with it yet, or they are older than what is kept\n";
  }
  return 0;
}

}  // namespace tunesmith::cli
