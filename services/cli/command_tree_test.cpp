// The command line as a whole: what it understands, what it says otherwise, what a shell completes,
// and that docs/cli.md is what it says.
#include "cli/command_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

#include "cli/completion.h"
#include "cli/reference_text.h"
#include "cli/usage_error.h"
#include "runtime/text.h"

namespace tunesmith::cli {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Words = std::vector<std::string>;

// What the command says of a line that it does not understand; "" when it does.
std::string complaint(Words words, Arguments& arguments) {
  const auto app = make_command_tree(arguments);
  Words reversed(words.rbegin(), words.rend());
  try {
    app->parse(reversed);
  } catch (const CLI::ParseError& error) {
    return usage_error_text(*app, words, error.what());
  }
  return "";
}
std::string complaint(Words words) {
  Arguments arguments;
  return complaint(std::move(words), arguments);
}

TEST(CommandTree, UnderstandsKubectlsForms) {
  Arguments get;
  EXPECT_EQ(complaint({"get", "workspace/a", "-n", "team", "-o", "yaml", "-w"}, get), "");
  EXPECT_THAT(get.get.arguments, ElementsAre("workspace/a"));
  EXPECT_EQ(get.name_space, "team");
  EXPECT_TRUE(get.get.watch);
  EXPECT_TRUE(get.action);
  Arguments apply;
  EXPECT_EQ(complaint({"apply", "-f", "a.yaml", "-f", "-", "--filename=dir"}, apply), "");
  EXPECT_THAT(apply.files, ElementsAre("a.yaml", "-", "dir"));
  Arguments secret;
  EXPECT_EQ(complaint({"secret", "set", "s", "--from-file", "a=b", "--from-file", "c=d"}, secret),
            "");
  EXPECT_THAT(secret.secret.from_files, ElementsAre("a=b", "c=d"));
}

TEST(CommandTree, NamesTheNearestOfWhatItDoesNotKnow) {
  EXPECT_EQ(complaint({"aply"}),
            "error: unknown command 'aply' for 'tunesmith', did you mean 'apply'?\n"
            "See 'tunesmith --help'.\n");
  EXPECT_EQ(complaint({"dlq", "lst"}),
            "error: unknown command 'lst' for 'tunesmith dlq', did you mean 'list'?\n"
            "See 'tunesmith dlq --help'.\n");
  EXPECT_EQ(complaint({"events", "a", "--folow"}),
            "error: unknown flag '--folow' of 'tunesmith events', did you mean '--follow'?\n"
            "See 'tunesmith events --help'.\n");
  EXPECT_EQ(complaint({"secret"}),
            "error: 'tunesmith secret' needs a command: set, list, delete\n"
            "See 'tunesmith secret --help'.\n");
  EXPECT_THAT(complaint({"apply"}), HasSubstr("--filename is required"));
  EXPECT_THAT(complaint({"get", "-o", "toml"}), HasSubstr("toml not in {"));
  EXPECT_THAT(complaint({}), HasSubstr("'tunesmith' needs a command: "));
}

TEST(CommandTree, ASecretsValueCannotStandOnTheCommandLine) {
  EXPECT_NE(complaint({"secret", "set", "s", "--password", "pw"}), "");
  EXPECT_NE(complaint({"secret", "set", "s", "--docker-password", "pw"}), "");
  EXPECT_NE(complaint({"secret", "set", "s", "--key", "k"}), "");  // without --stdin
  EXPECT_NE(complaint({"secret", "set", "s", "--docker-server", "r"}), "");
}

TEST(CommandTree, EveryCommandHasHelpAndExamples) {
  Arguments arguments;
  const auto app = make_command_tree(arguments);
  for (const CLI::App* command : app->get_subcommands({})) {
    if (command->get_group().empty()) continue;
    for (const CLI::App* one : command->get_subcommands({})) {
      EXPECT_THAT(one->get_footer(), HasSubstr("Examples:")) << one->get_name();
    }
    const bool is_group = !command->get_subcommands({}).empty();
    if (!is_group && command->get_name() != "version") {
      EXPECT_THAT(command->get_footer(), HasSubstr("Examples:")) << command->get_name();
    }
    EXPECT_FALSE(command->get_description().empty()) << command->get_name();
  }
}

TEST(CommandTree, IsCalledAsAPluginToo) {
  EXPECT_EQ(program_name("/usr/local/bin/kubectl-tunesmith"), "kubectl tunesmith");
  EXPECT_EQ(program_name("tunesmith"), "tunesmith");
  Arguments arguments;
  const auto app = make_command_tree(arguments, "kubectl tunesmith");
  EXPECT_THAT(app->help(), HasSubstr("kubectl tunesmith"));
}

TEST(CommandTree, ExitCodesTellWhy) {
  EXPECT_EQ(exit_code_of({FailureClass::kPermanent, "UsageError", ""}), 2);
  EXPECT_EQ(exit_code_of({FailureClass::kPermanent, "NoStack", ""}), 3);
  EXPECT_EQ(exit_code_of({FailureClass::kTransient, "BusUnavailable", ""}), 3);
  EXPECT_EQ(exit_code_of({FailureClass::kPermanent, "NotFound", ""}), 1);
}

TEST(CommandTree, TheReferenceIsWhatHelpSays) {
  const auto file = read_file(std::string(TUNESMITH_TEST_DIR) + "/../../docs/cli.md");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(*file, reference_text())
      << "make it anew: build/release/bin/tunesmith __reference > docs/cli.md";
}

Words complete(const Words& words) {
  Arguments arguments;
  const auto app = make_command_tree(arguments);
  return completions(*app, words, [](Kind kind, const std::string& name_space) -> Words {
    if (name_space == "team") return {"theirs"};
    return kind == Kind::kWorkspace ? Words{"alpha", "beta"} : Words{"config"};
  });
}

TEST(Completion, OffersCommandsFlagsAndNames) {
  EXPECT_THAT(complete({"de"}), ElementsAre("delete", "describe"));
  EXPECT_THAT(complete({""}), AllOf(Contains("get"), Not(Contains("supervise"))));
  EXPECT_THAT(complete({"dlq", ""}), ElementsAre("drop", "list", "replay", "show"));
  EXPECT_THAT(complete({"events", "a", "--f"}), ElementsAre("--follow"));
  EXPECT_THAT(complete({"describe", ""}), ElementsAre("alpha", "beta", "workspace"));
  EXPECT_THAT(complete({"describe", "workspace", "a"}), ElementsAre("alpha"));
  EXPECT_THAT(complete({"get", "cm", ""}), ElementsAre("config"));
  EXPECT_THAT(complete({"get", "-n", "team", "ws", ""}), ElementsAre("theirs"));
  EXPECT_THAT(complete({"delete", "c"}), ElementsAre("configmap"));
}

TEST(Completion, OffersTheValuesOfFlags) {
  EXPECT_THAT(complete({"get", "-o", ""}), ElementsAre("json", "name", "wide", "yaml"));
  EXPECT_THAT(complete({"apply", "-f", "x"}), ElementsAre(":files"));
  EXPECT_THAT(complete({"up", "--dir", ""}), ElementsAre(":files"));
  EXPECT_THAT(complete({"completion", ""}), ElementsAre("bash", "fish", "zsh"));
  EXPECT_THAT(complete({"up", "--workers", ""}), IsEmpty());
  EXPECT_THAT(complete({"secret", "delete", ""}), IsEmpty());
  EXPECT_THAT(complete({}), Contains("apply"));
}

TEST(Completion, EachShellHasAScriptThatAsks) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_THAT(completion_script(shell), HasSubstr("__complete --")) << shell;
  }
}

}  // namespace
}  // namespace tunesmith::cli
