#include "workspace/documents.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace tunesmith::workspace {
namespace {

using nlohmann::json;

TEST(Documents, SeveralDocumentsInOrderEmptyOnesLeftOut) {
  const auto documents = parse_documents("# first\n---\nkind: A\n---\n---\nkind: B\n...\n");
  ASSERT_TRUE(documents.has_value()) << documents.error().message;
  ASSERT_EQ(documents->size(), 2u);
  EXPECT_EQ(kind_of((*documents)[0]), "A");
  EXPECT_EQ(kind_of((*documents)[1]), "B");
}

TEST(Documents, ScalarsAreTypedAsKubernetesTypesThem) {
  const auto value = parse_value(
      "{a: 1, b: '1', c: 1.5, d: true, e: \"true\", f: null, g: ~, h: 5e-5, i: 0x10, j: 1.2.3, k: "
      "-3, l: 18446744073709551615, m: no, n: '', o: .5, p: 0o17, q: -}");
  ASSERT_TRUE(value.has_value()) << value.error().message;
  EXPECT_EQ(*value, json::parse(R"({"a":1,"b":"1","c":1.5,"d":true,"e":"true","f":null,"g":null,
    "h":5e-5,"i":16,"j":"1.2.3","k":-3,"l":18446744073709551615,"m":"no","n":"","o":0.5,"p":15,
    "q":"-"})"));
}

TEST(Documents, JsonIsYaml) {
  const auto value = parse_value(R"({"kind": "Workspace", "list": [1, {"a": null}]})");
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ((*value)["list"][1]["a"], nullptr);
}

TEST(Documents, AliasesAreExpanded) {
  const auto value = parse_value("a: &x {b: [1, 2]}\nc: *x\n");
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ((*value)["c"], (*value)["a"]);
}

struct Refusal {
  const char* name;
  std::string text;
  const char* says;
};

TEST(Documents, RefusesWhatCannotBeMeant) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) {
      bomb += (j == 0 ? "" : ", ") + before;
    }
    bomb += "]\n";
  }
  std::string text_bomb = "a: &a \"" + std::string(100'000, 'x') + "\"\nb: [";
  for (int i = 0; i < 1000; ++i) {
    text_bomb += "*a, ";
  }
  text_bomb += "]\n";
  const std::vector<Refusal> cases{
      {"duplicate key", "a: 1\nb: 2\na: 3\n", "line 3, column 1: the key 'a' stands twice"},
      {"not YAML", "a: [1, 2\nb: }", "this is no YAML: line"},
      {"list at the top", "- a\n", "document 1 is no mapping"},
      {"key that is a mapping", "? {a: 1}\n: 2\n", "a key must be text"},
      {"alias bomb", bomb, "after aliases are expanded"},
      {"text bomb", text_bomb, "after aliases are expanded"},
      {"deep", std::string(100, '[') + std::string(100, ']'), "more than 64 levels"},
      {"very deep", std::string(100'000, '['), "this"},
      {"not UTF-8", "a: \xff\n", "not UTF-8"},
      {"surrogate", "a: \xed\xa0\x80\n", "not UTF-8"},
      {"too large", std::string((1 << 20) + 1, ' '), "1048577 bytes"},
      {"unknown alias", "a: *nowhere\n", "this is no YAML"},
      {"alias of itself", "a: &a [*a]\n", "inside the value it names"},
  };
  for (const auto& refusal : cases) {
    const auto documents = parse_documents(refusal.text);
    ASSERT_FALSE(documents.has_value()) << refusal.name;
    EXPECT_EQ(documents.error().reason, "ManifestInvalid") << refusal.name;
    EXPECT_NE(documents.error().message.find(refusal.says), std::string::npos)
        << refusal.name << ": " << documents.error().message;
  }
}

TEST(Documents, KeyOfNamesTheObjectAndDefaultsTheNamespace) {
  const auto key = key_of(json::parse(R"({"apiVersion":"v1","kind":"ConfigMap",
    "metadata":{"name":"x"}})"));
  EXPECT_EQ(key.name_space + "/" + key.name, "default/x");
  EXPECT_EQ(key_of(json::parse("[1]")).name, "");
  EXPECT_EQ(key_of(json::parse(R"({"metadata":{"name":7}})")).name, "");
}

}  // namespace
}  // namespace tunesmith::workspace
