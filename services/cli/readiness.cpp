#include "cli/readiness.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>

#include "bus/topology.h"
#include "runtime/http_client.h"
#include "runtime/retry.h"
#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

constexpr BackoffPolicy kProbes{.first = std::chrono::milliseconds(30),
                                .most = std::chrono::milliseconds(1000)};

// Tries until it works or a stop comes.
bool try_until(const std::function<bool()>& works, std::stop_token stop) {
  Backoff backoff(kProbes, 1);
  while (!stop.stop_requested()) {
    if (works()) return true;
    wait_for(backoff.next(), stop);
  }
  return false;
}

}  // namespace

bool wait_for_bus(const bus::ConnectionOptions& options, const Log& log, std::stop_token stop) {
  return try_until(
      [&] {
        auto connection = bus::Connection::open(options, Log::silent(), stop);
        if (!connection) {
          log.debug(connection.error().message);
          return false;
        }
        const auto made = bus::init_topology(**connection, {});
        if (!made) log.warning(made.error().message, {{"reason", made.error().reason}});
        return made.has_value();
      },
      stop);
}

bool wait_for_http(const std::string& url, int status, int other_status, std::stop_token stop) {
  const HttpClient http({});
  return try_until(
      [&] {
        const auto answer =
            http.send({.url = url, .total_timeout = std::chrono::seconds(5), .stop = stop});
        return answer && (answer->status == status || answer->status == other_status);
      },
      stop);
}

bool wait_for_service(const std::filesystem::path& port_file, std::stop_token stop) {
  if (!wait_for_file(port_file, stop)) return false;
  const auto port = read_file(port_file, 64);
  if (!port) return false;
  const std::string number = port->substr(0, port->find('\n'));
  return wait_for_http("http://127.0.0.1:" + number + "/readyz", 200, 200, stop);
}

bool wait_for_file(const std::filesystem::path& file, std::stop_token stop) {
  const int changes = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  const int stopped = ::eventfd(0, EFD_CLOEXEC);
  bool there = false;
  {
    const std::stop_callback wake(stop, [&] {
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t n = ::write(stopped, &one, sizeof one);
    });
    ::inotify_add_watch(changes, file.parent_path().c_str(), IN_MOVED_TO | IN_CREATE);
    std::array<pollfd, 2> watched{{{changes, POLLIN, 0}, {stopped, POLLIN, 0}}};
    while (!(there = std::filesystem::exists(file)) && !stop.stop_requested()) {
      ::poll(watched.data(), watched.size(), -1);
      std::array<char, 4096> events{};
      while (::read(changes, events.data(), events.size()) > 0) {
      }
    }
  }
  ::close(changes);
  ::close(stopped);
  return there;
}

}  // namespace tunesmith::cli
