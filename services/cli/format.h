// Numbers as people read them. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace tunesmith::cli {

// As kubectl writes ages: "45s", "3m12s", "47m", "5h20m", "3d4h", "200d". Negative = "0s".
std::string human_duration(std::chrono::seconds duration);
// "512 B", "1.5 KiB", "269 MiB", "1.2 GiB".
std::string human_bytes(std::uint64_t bytes);
// Four significant digits without trailing zeros: "1.234", "0.0003", "12.35".
std::string human_number(double value);
// Columns a text takes on a terminal, every code point counted as one.
std::size_t display_width(std::string_view text);
// The first `width` columns; the last is "…" when something was cut.
std::string cut_to_width(std::string_view text, std::size_t width);
// "[=====>    ]" of `width` columns in all; `done` in [0, 1].
std::string progress_bar(double done, std::size_t width);

}  // namespace tunesmith::cli
