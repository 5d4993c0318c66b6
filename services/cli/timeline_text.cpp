#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "cli/format.h"
#include "cli/timeline.h"

namespace tunesmith::cli {
namespace {

constexpr std::size_t kLeastBar = 10;
constexpr std::size_t kLongestName = 34;

double seconds_of(WallTime::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string time_text(double seconds) {
  if (seconds >= 9.95) return human_duration(std::chrono::seconds(std::llround(seconds)));
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%.1fs", std::max(seconds, 0.0));
  return text.data();
}

std::string padded(const std::string& text, std::size_t width, bool right = false) {
  const std::size_t used = display_width(text);
  const std::string gap(width > used ? width - used : 0, ' ');
  return right ? gap + text : text + gap;
}

// As cut_to_width(); other terminals have no "…".
std::string cut(const std::string& text, std::size_t width, const TimelineLook& look) {
  if (look.utf8 || display_width(text) <= width) return cut_to_width(text, width);
  if (width < 4) return "";
  std::string shorter = cut_to_width(text, width - 2);
  shorter.replace(shorter.rfind("…"), std::string("…").size(), "...");
  return shorter;
}

struct Frame {
  WallTime begin{};
  double seconds = 0;
  std::size_t cells = kLeastBar;

  // In eighths of a cell.
  std::size_t eighths(WallTime time) const {
    if (seconds <= 0) return 0;
    const double share = std::clamp(seconds_of(time - begin) / seconds, 0.0, 1.0);
    return static_cast<std::size_t>(std::lround(share * static_cast<double>(cells * 8)));
  }
  std::size_t cell(WallTime time) const { return std::min(eighths(time) / 8, cells - 1); }
};

// The bar's cells: whole ones, its last one by eighths. What is too short for an eighth is a thin
// line, so that nothing that happened is invisible.
std::string drawn(const TimelineBar& bar, const Frame& frame, const TimelineLook& look) {
  static constexpr std::array<const char*, 8> kEighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  const std::size_t from = frame.cell(bar.begin);
  const std::size_t end = frame.eighths(bar.end);
  const std::size_t length = end > from * 8 ? end - from * 8 : 0;
  const char* full = look.utf8 ? (bar.wait ? "░" : "█") : (bar.wait ? "-" : "#");
  std::string cells;
  std::size_t count = length / 8;
  if (!look.utf8 || bar.wait) count = std::max<std::size_t>((length + 4) / 8, 1);
  const std::size_t room = frame.cells - from - (bar.open ? 1 : 0);  // for the arrow
  count = std::min(count, room);
  for (std::size_t i = 0; i < count; ++i) cells += full;
  if (look.utf8 && !bar.wait && count < room) {
    const std::size_t rest = count == 0 ? std::max<std::size_t>(length % 8, 1) : length % 8;
    if (rest > 0) {
      cells += kEighths[rest];
      ++count;
    }
  }
  if (bar.open) {
    cells += look.utf8 ? "▸" : ">";
    ++count;
  }
  const std::string coloured = bar.wait ? look.style.warn(cells) : look.style.good(cells);
  return std::string(from, ' ') + coloured + std::string(frame.cells - from - count, ' ');
}

Frame frame_of(const Timeline& timeline) {
  Frame frame;
  frame.begin = timeline.bars.front().begin;
  WallTime end = frame.begin;
  for (const TimelineBar& bar : timeline.bars) end = std::max(end, bar.end);
  frame.seconds = seconds_of(end - frame.begin);
  return frame;
}

std::string mark_line(const TimelineMark& mark, const Frame& frame, std::size_t name_width,
                      const TimelineLook& look) {
  const std::string sign = mark.incident ? (look.utf8 ? "✗" : "x") : (look.utf8 ? "▶" : ">");
  const std::string at = "+" + time_text(seconds_of(mark.time - frame.begin));
  const std::size_t cell = frame.cell(mark.time);
  std::string line = padded(at, name_width, true) + "  " + std::string(cell, ' ');
  line += mark.incident ? look.style.bad(sign) : look.style.bold(sign);
  const std::size_t used = name_width + 2 + cell + 2;
  const std::size_t room = look.width > used ? look.width - used : 0;
  // Where the right side is too narrow, the text stands on the left.
  if (room >= std::min<std::size_t>(display_width(mark.text), 24)) {
    return line + " " + cut(mark.text, room, look) + "\n";
  }
  return line + "\n" + padded("", name_width + 2) +
         cut(mark.text, look.width > name_width + 2 ? look.width - name_width - 2 : 0, look) + "\n";
}

}  // namespace

std::string timeline_text(const Timeline& timeline, const TimelineLook& look) {
  if (timeline.bars.empty()) return "Nothing has begun yet.\n";
  Frame frame = frame_of(timeline);
  std::size_t names = 0, times = 0;
  for (const TimelineBar& bar : timeline.bars) {
    names = std::max(names, std::min(display_width(bar.name), kLongestName));
    times = std::max(times, display_width(time_text(seconds_of(bar.end - bar.begin))));
  }
  const std::size_t used = names + 2 + 2 + times;
  frame.cells = look.width > used + kLeastBar ? look.width - used : kLeastBar;
  std::string text;
  for (const TimelineBar& bar : timeline.bars) {
    text += padded(cut(bar.name, names, look), names) + "  " + drawn(bar, frame, look) + "  " +
            padded(time_text(seconds_of(bar.end - bar.begin)), times, true) + "\n";
  }
  for (const TimelineMark& mark : timeline.marks) text += mark_line(mark, frame, names, look);
  text += padded("total", names) + "  " + std::string(frame.cells, ' ') + "  " +
          padded(time_text(frame.seconds), times, true);
  if (!timeline.state.empty()) text += "  " + look.style.state(timeline.state);
  return text + "\n";
}

}  // namespace tunesmith::cli
