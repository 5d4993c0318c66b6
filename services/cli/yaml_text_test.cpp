#include "cli/yaml_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "workspace/documents.h"

namespace tunesmith::cli {
namespace {

using nlohmann::json;

TEST(ToYaml, LooksAsKubectlsDoes) {
  const json object = json::parse(R"({"apiVersion": "kaito.sh/v1alpha1", "empty": {}, "list": [],
    "metadata": {"name": "a", "labels": {"app": "x"}},
    "tuning": {"input": {"urls": ["https://h/a?b=c", "x"]}, "conditions": [{"status": "True", "times": 1}]}})");
  EXPECT_EQ(to_yaml(object),
            "apiVersion: kaito.sh/v1alpha1\n"
            "empty: {}\n"
            "list: []\n"
            "metadata:\n"
            "  labels:\n"
            "    app: x\n"
            "  name: a\n"
            "tuning:\n"
            "  conditions:\n"
            "  - status: \"True\"\n"
            "    times: 1\n"
            "  input:\n"
            "    urls:\n"
            "    - https://h/a?b=c\n"
            "    - x\n");
}

TEST(ToYaml, ReadsBackAsTheSameValue) {
  for (const char* text : {R"("")",
                           R"(" lead")",
                           R"("trail ")",
                           R"("yes")",
                           R"("NULL")",
                           R"("12")",
                           R"("-1.5e3")",
                           R"("a: b")",
                           R"("a #b")",
                           R"("key:")",
                           R"("- x")",
                           R"("{x}")",
                           R"("*x")",
                           R"("\ttab")",
                           R"("one\ntwo\n")",
                           R"("one\ntwo")",
                           R"("one\n\n")",
                           R"("\nfirst empty")",
                           R"("  indented\nblock")",
                           R"("in\n  side\n")",
                           R"("größe")",
                           R"("0x1f")",
                           R"("2026-01-31")",
                           R"("a\u0007b")",
                           "1.5",
                           "-3",
                           "true",
                           "null",
                           "[[1, 2], [], [{}]]",
                           R"({"k: x": {"": 1}, "on": [null, {"a": [1], "b": "x\ny\n"}]})",
                           R"({"deep": [{"x": [{"y": "a\nb"}]}]})"}) {
    const json value = json::parse(text);
    const auto again = workspace::parse_value(to_yaml(value));
    ASSERT_TRUE(again) << to_yaml(value) << again.error().message;
    EXPECT_EQ(*again, value) << to_yaml(value);
  }
}

}  // namespace
}  // namespace tunesmith::cli
