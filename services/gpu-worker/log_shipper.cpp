#include "log_shipper.h"

#include <iterator>

#include "log_text.h"
#include "runtime/text.h"

namespace tunesmith::gpu_worker {
namespace {

std::string now() { return rfc3339(std::chrono::system_clock::now()); }

}  // namespace

LogShipper::LogShipper(bus::LogStream& logs, std::string uid, LogLimits limits)
    : logs_(logs), uid_(std::move(uid)), limits_(limits) {
  thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
}

LogShipper::~LogShipper() = default;

void LogShipper::begin(std::uint64_t attempt, const std::filesystem::path& engine_log) {
  const std::scoped_lock lock(send_mutex_, mutex_);
  open_ = true;
  attempt_ = attempt;
  if (engine_log != engine_log_) {  // attempts of one run append to one file
    engine_log_ = engine_log;
    tail_ = std::make_unique<FileTail>(engine_log);
  }
}

void LogShipper::end() {
  const std::scoped_lock sending(send_mutex_);
  send(true);
  const std::scoped_lock lock(mutex_);
  open_ = false;
  queue_.clear();
  dropped_ = 0;
}

void LogShipper::agent_says(std::string_view json_line) { add("agent", agent_log_text(json_line)); }

void LogShipper::engine_says(const EngineLine& line) {
  if (const std::string text = log_text_of(line); !text.empty()) add("engine", text);
}

void LogShipper::add(const char* source, const std::string& text) {
  const std::scoped_lock lock(mutex_);
  if (!open_) return;
  if (queue_.size() >= limits_.queued_lines) {
    ++dropped_;
    return;
  }
  queue_.push_back({now(), source, attempt_, safe_log_text(text)});
}

// The lines since the last time, in order, with what was dropped.
LogShipper::Batch LogShipper::take(bool last) {
  FileTail::Lines engine;
  const std::scoped_lock lock(mutex_);
  if (!open_) return {};
  if (tail_) engine = tail_->read(limits_.engine_bytes, last);
  Batch batch;
  batch.lines.assign(std::make_move_iterator(queue_.begin()),
                     std::make_move_iterator(queue_.end()));
  queue_.clear();
  for (const std::string& text : engine.lines) {
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    batch.lines.push_back({now(), "engine", attempt_, safe_log_text(text)});
  }
  batch.dropped = dropped_ + engine.skipped;
  dropped_ = 0;
  if (batch.dropped > 0) {
    batch.lines.push_back(
        {now(), "agent", attempt_, std::to_string(batch.dropped) + " lines dropped"});
  }
  return batch;
}

void LogShipper::send(bool last) {
  const auto [lines, dropped] = take(last);
  for (std::size_t begin = 0; begin < lines.size();) {
    std::size_t end = begin, bytes = 0;
    while (end < lines.size() &&
           (end == begin || bytes + lines[end].text.size() <= limits_.batch_bytes)) {
      bytes += lines[end++].text.size();
    }
    const auto at = [&](std::size_t i) { return lines.begin() + static_cast<std::ptrdiff_t>(i); };
    if (!logs_.append(uid_, {at(begin), at(end)})) {
      const std::scoped_lock lock(mutex_);
      dropped_ += lines.size() - begin - (dropped > 0 ? 1 : 0) + dropped;
      return;
    }
    begin = end;
  }
}

void LogShipper::work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      std::unique_lock lock(mutex_);
      stopping_.wait_for(lock, stop, limits_.batch_every, [] { return false; });
      if (!open_ || stop.stop_requested()) continue;
    }
    const std::scoped_lock sending(send_mutex_);
    send(false);
  }
}

}  // namespace tunesmith::gpu_worker
