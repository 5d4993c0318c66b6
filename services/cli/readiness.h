// How the supervisor sees that a child serves.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>

#include "bus/connection.h"
#include "runtime/log.h"

namespace tunesmith::cli {

// All return true when it serves, false at a stop.

// NATS answers and has all streams and buckets.
bool wait_for_bus(const bus::ConnectionOptions& options, const Log& log, std::stop_token stop);
// The URL answers with one of two statuses.
bool wait_for_http(const std::string& url, int status, int other_status, std::stop_token stop);
// A service has written its port file and calls itself ready.
bool wait_for_service(const std::filesystem::path& port_file, std::stop_token stop);

// Blocks on the folder's changes until the file is there.
bool wait_for_file(const std::filesystem::path& file, std::stop_token stop);

}  // namespace tunesmith::cli
