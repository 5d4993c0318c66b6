#include "cli/free_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <initializer_list>

namespace tunesmith::cli {

std::uint16_t free_port(std::uint16_t wanted) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;  // connections of the last run that still wait do not matter
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  std::uint16_t port = 0;
  for (const std::uint16_t candidate : {wanted, std::uint16_t{0}}) {
    address.sin_port = htons(candidate);
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0) {
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
      port = ntohs(address.sin_port);
      break;
    }
  }
  ::close(fd);
  return port;
}

}  // namespace tunesmith::cli
