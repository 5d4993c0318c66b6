#include "cli/secret_commands.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "cli/manifest_input.h"
#include "cli/secret_files.h"
#include "cli/stack_state.h"
#include "cli/table.h"
#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

namespace fs = std::filesystem;

fs::path folder_of(const CommandContext& context) {
  return StackPaths{context.dir}.secrets() / context.name_space;
}

// Folders that only their owner can enter.
Result<void> make_private(const CommandContext& context) {
  const StackPaths paths{context.dir};
  for (const fs::path& folder : {context.dir, paths.secrets(), folder_of(context)}) {
    std::error_code error;
    const bool made = fs::create_directories(folder, error);
    if (error) {
      return permanent("FileUnwritable",
                       "cannot make the folder " + folder.string() + ": " + error.message());
    }
    if (made || folder != context.dir) ::chmod(folder.c_str(), 0700);
  }
  return {};
}

Result<std::map<std::string, std::string>> given_values(const SecretOptions& options) {
  std::map<std::string, std::string> values;
  for (const std::string& text : options.from_files) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return permanent("UsageError", "--from-file: expected KEY=PATH, found '" + text + "'");
    }
    auto content = read_file(text.substr(equals + 1), 1u << 20);
    if (!content) return tl::unexpected(content.error());
    values[text.substr(0, equals)] = without_line_end(std::move(*content));
  }
  if (options.value_stdin) {
    auto content = read_input("-");
    if (!content) return tl::unexpected(content.error());
    values[options.key] = without_line_end(std::move(*content));
  }
  return values;
}

Result<std::string> content_of(const SecretOptions& options, const std::string& before) {
  if (options.password_stdin) {
    if (!options.from_files.empty()) {
      return permanent("UsageError", "a secret holds logins or values, not both");
    }
    const auto password = read_input("-");
    if (!password) return tl::unexpected(password.error());
    return with_docker_login(before, options.docker_server, options.docker_username,
                             without_line_end(*password));
  }
  const auto values = given_values(options);
  if (!values) return tl::unexpected(values.error());
  if (values->empty()) {
    return permanent("UsageError",
                     "nothing to set: give --docker-server, --docker-username and "
                     "--password-stdin, or --from-file KEY=PATH, or --key KEY --stdin");
  }
  return with_values(before, *values);
}

}  // namespace

Result<int> set_secret(const CommandContext& context, const SecretOptions& options) {
  if (auto valid = check_secret_name(context.name_space, options.name); !valid) {
    return tl::unexpected(valid.error());
  }
  const fs::path file = folder_of(context) / options.name;
  std::string before;
  std::error_code error;
  if (fs::exists(file, error)) {
    auto read = read_file(file, 1u << 20);
    if (!read) return tl::unexpected(read.error());
    before = std::move(*read);
  }
  const auto content = content_of(options, before);
  if (!content) return tl::unexpected(content.error());
  if (auto made = make_private(context); !made) return tl::unexpected(made.error());
  if (auto written = write_file(file, *content, 0600); !written) {
    return tl::unexpected(written.error());
  }
  ::chmod(file.c_str(), 0600);
  context.out << "secret/" << options.name << " "
              << (before.empty()       ? "created"
                  : before == *content ? "unchanged"
                                       : "configured")
              << std::endl;
  return 0;
}

Result<int> list_secrets(const CommandContext& context) {
  Table table{{"NAME", "CONTENTS"}, {}};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_of(context), error)) {
    const auto content = read_file(entry.path(), 1u << 20);
    std::string contents;
    for (const std::string& one :
         content ? contents_of(*content) : std::vector<std::string>{"(cannot be read)"}) {
      contents += (contents.empty() ? "" : ", ") + one;
    }
    table.rows.push_back({entry.path().filename(), contents});
  }
  std::sort(table.rows.begin(), table.rows.end());
  if (table.rows.empty()) {
    context.err << "No secrets in " + context.name_space + " namespace.\n";
  } else {
    context.out << to_text(table);
  }
  return 0;
}

Result<int> delete_secret(const CommandContext& context, const SecretOptions& options) {
  if (auto valid = check_secret_name(context.name_space, options.name); !valid) {
    return tl::unexpected(valid.error());
  }
  std::error_code error;
  const fs::path file = folder_of(context) / options.name;
  if (fs::remove(file, error)) {
    context.out << "secret/" << options.name << " deleted" << std::endl;
    return 0;
  }
  if (error) {
    return permanent("FileUnwritable", "cannot delete " + file.string() + ": " + error.message());
  }
  return permanent("NotFound", "secrets \"" + options.name + "\" not found in " +
                                   context.name_space + " namespace; `tunesmith secret list`");
}

}  // namespace tunesmith::cli
