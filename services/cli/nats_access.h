// The users of a local stack's nats-server: a password each, and what each may do.
#pragma once

#include <filesystem>
#include <string>

#include "cli/stack_state.h"
#include "runtime/result.h"

namespace tunesmith::cli {

// `bytes` × 2 random hexadecimal digits from the kernel.
std::string random_digits(std::size_t bytes);

// The password in this file, which stays the same from start to start; made (0600) when there is
// none.
Result<std::string> kept_password(const std::filesystem::path& file);

// "user:<bcrypt hash>\n" as htpasswd prints it. The password goes through a pipe, never argv.
Result<std::string> bcrypt_line(const std::filesystem::path& htpasswd, const std::string& user,
                                const std::string& password);

// File with the password of one user of NATS.
std::filesystem::path nats_password_file(const StackPaths& paths, const std::string& user);

// Makes the password files that are missing; returns the server's `authorization` block, which
// holds hashes only.
Result<std::string> nats_access(const StackPaths& paths, const std::filesystem::path& htpasswd);

// `tunesmith bus permissions`: that block with each password to be taken from the server's
// environment (NATS_PASSWORD_<USER>), or the same for people.
std::string bus_permissions(bool markdown);

}  // namespace tunesmith::cli
