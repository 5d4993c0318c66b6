// Every format gives the same rows; what is not data is refused with one clear sentence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "data/files.h"
#include "data/layout.h"
#include "data/parquet_table.h"
#include "data/rng.h"
#include "data/table.h"
#include "formats/test_folder.h"

namespace tunesmith::engine {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

const fs::path kTestdata = fs::path(TUNESMITH_TEST_DIR) / "testdata";

// A row as text, so that rows can be compared and shown.
std::string show(const Row& row) {
  std::string text;
  if (const auto* bad = std::get_if<BadRow>(&row)) return "bad: " + bad->why;
  if (const auto* chat = std::get_if<ChatRow>(&row)) {
    for (const Message& m : chat->messages) text += m.role + "=" + m.content + ";";
    return chat->prompt_size == 0 ? text : text + " given " + std::to_string(chat->prompt_size);
  }
  if (const auto* pair = std::get_if<CompletionRow>(&row)) {
    return pair->prompt + " -> " + pair->completion;
  }
  return std::get<TextRow>(row).text;
}

struct ReadResult {
  std::vector<std::string> rows;
  std::string layout;
  Failure failure;  // reason is empty when all went well
};

ReadResult read(const fs::path& path) {
  ReadResult result;
  const auto layout = read_files(std::vector{path}, [&](Row&& row) -> Result<void> {
    result.rows.push_back(show(row));
    return {};
  });
  if (layout) {
    result.layout = name_of(*layout);
  } else {
    result.failure = layout.error();
  }
  return result;
}

Failure failure_of(const TestFolder& folder, const std::string& name, std::string_view content) {
  return read(folder.write(name, content)).failure;
}

// The rows of make_fixtures.py.
std::vector<std::string> expected_conversations() {
  std::vector<std::string> rows;
  for (int i = 0; i < 60; ++i) {
    const std::string n = std::to_string(i);
    const std::string chat = (i % 3 == 0 ? "system=Be brief.;" : "") +
                             ("user=Frage " + n + ": größer? 😀;assistant=Answer " + n + ";");
    rows.push_back(i % 10 == 7 || i % 10 == 8 ? "bad: `messages` is empty"
                   : i % 10 == 9              ? "bad: a message without text content"
                                              : chat);
  }
  return rows;
}

TEST(Readers, AllFilesOfTheSameConversationsGiveTheSameRows) {
  for (const char* name : {"messages-none.parquet", "messages-snappy.parquet",
                           "messages-gzip.parquet", "messages-zstd.parquet", "messages-lz4.parquet",
                           "messages-brotli.parquet", "messages-large.parquet",
                           "messages-v1-nodict.parquet", "messages.jsonl", "messages.json"}) {
    const auto result = read(kTestdata / name);
    EXPECT_EQ(result.failure.message, "") << name;
    EXPECT_EQ(result.layout, "messages") << name;
    EXPECT_EQ(result.rows, expected_conversations()) << name;
  }
}

TEST(Readers, ReadsTextColumnsOfAllKinds) {
  const auto texts = read(kTestdata / "text-dictionary.parquet");
  EXPECT_EQ(texts.layout, "text");
  ASSERT_EQ(texts.rows.size(), 60U);
  EXPECT_EQ(texts.rows[2], "text 2 é");
  EXPECT_EQ(texts.rows[3], "bad: `text` is empty");
  const auto pairs = read(kTestdata / "pairs.parquet");
  EXPECT_EQ(pairs.layout, "prompt-completion");
  ASSERT_EQ(pairs.rows.size(), 60U);
  EXPECT_EQ(pairs.rows[59], "Q59 -> A59");
  const auto json = read(kTestdata / "messages-as-json.parquet");
  EXPECT_EQ(json.rows[1], expected_conversations()[1]);
  EXPECT_EQ(json.rows[7], "bad: messages that are not a JSON array");
}

TEST(Readers, ReadsCsv) {
  const TestFolder folder;
  const auto csv = read(folder.write("a.csv",
                                     "\xef\xbb\xbfPrompt,Completion\r\n"
                                     "plain,answer\r\n"
                                     "\"two\nlines, one \"\"quoted\"\"\",\"\"\r\n\r\n"
                                     "only one field\r\n"
                                     "é,last without newline"));
  EXPECT_EQ(csv.layout, "prompt-completion");
  EXPECT_THAT(csv.rows, ElementsAre("plain -> answer", "bad: `completion` is empty",
                                    "bad: a row with another number of fields than the header",
                                    "é -> last without newline"));
  const auto tsv = read(folder.write("a.tsv", "id\ttext\n1\ta, b; c\n"));
  EXPECT_THAT(tsv.rows, ElementsAre("a, b; c"));
  const auto semicolons =
      read(folder.write("b.csv", "instruction;context;response\nq;c;a\nq;;a\n"));
  EXPECT_EQ(semicolons.layout, "instruction");
  EXPECT_THAT(semicolons.rows, ElementsAre("user=q\n\nc;assistant=a;", "user=q;assistant=a;"));
  const auto chats = read(folder.write(
      "c.csv", "messages\n\"[{\"\"role\"\":\"\"user\"\",\"\"content\"\":\"\"x\"\"}]\"\nbroken\n"));
  EXPECT_THAT(chats.rows, ElementsAre("user=x;", "bad: messages that are not a JSON array"));
}

TEST(Readers, ReadsJsonInItsVariants) {
  const TestFolder folder;
  const auto pairs = read(folder.write(
      "a.jsonl",
      "\xef\xbb\xbf{\"prompt\":[{\"role\":\"user\",\"content\":\"q\"}],"
      "\"completion\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}]}"
      "\n"
      "\n  \r\n{\"prompt\":\"p\",\"completion\":7}\n{\"prompt\":\"p\",\"completion\":\"c\"}"));
  EXPECT_THAT(pairs.rows, ElementsAre("user=q;assistant=a; given 1",
                                      "bad: completion is a number, not a text", "p -> c"));
  const auto array = read(folder.write(
      "b.json", " [ {\"text\" : \"a ] } \\\" [ {\"} ,\n{\"other\":1}, {\"text\":\"\\u00e9\"} ] "));
  EXPECT_THAT(array.rows, ElementsAre("a ] } \" [ {", "bad: `text` is empty", "é"));
  // the content decides, not the ending
  EXPECT_THAT(read(folder.write("c.csv", "{\"text\":\"x\"}\n")).rows, ElementsAre("x"));
  EXPECT_THAT(read(folder.write("noending", "{\"question\":\"x\",\"answer\":\"y\"}\n")).rows,
              ElementsAre("user=x;assistant=y;"));
}

TEST(Readers, SaysWhatAFileIsThatIsNoData) {
  const TestFolder folder;
  const struct {
    const char* name;
    std::string content;
    const char* reason;
    const char* message;
  } cases[] = {
      {"a.parquet", "", "DataEmpty", "0 bytes"},
      {"a.jsonl", " \n", "DataEmpty", "white space"},
      {"a.jsonl", "text: x\n", "DataNotReadable", "does not begin with"},
      {"a.parquet", "<!DOCTYPE html><html>", "DataFormatUnknown", "HTML page"},
      {"a.parquet", "version https://git-lfs.github.com/spec/v1\n", "DataFormatUnknown", "LFS"},
      {"a.jsonl", "\x1f\x8b\x08junk", "DataFormatUnknown", "gzip"},
      {"a.parquet", "some text, really\n", "DataNotReadable", "does not begin with PAR1"},
      {"a.parquet", "PAR1", "DataNotReadable", "a.parquet"},
      {"a.bin", std::string("\0\1\2\3\4\5\6\7", 8), "DataFormatUnknown", "neither parquet nor"},
      {"a.txt", "just words\n", "DataFormatUnknown", "no known form"},
      {"a.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b", "DataNotReadable", "line 2"},
      {"a.jsonl", "{\"text\":\"a\"}\n[1]\n", "DataNotReadable", "line 2"},
      {"a.jsonl", "{\"text\":\"a\xff\"}\n", "DataNotReadable", "line 1 is not UTF-8"},
      {"a.json", "[{\"text\":\"a\"},", "DataNotReadable", "element 2"},
      {"a.json", "[{\"text\":\"a\"} {\"text\":\"a\"}]", "DataNotReadable", "expected ','"},
      {"a.json", "[1,2]", "DataNotReadable", "not an object"},
      {"a.json", "[]", "DataEmpty", "no rows"},
      {"a.csv", "text\n\"open", "DataNotReadable", "open quote"},
      {"a.csv", "text\n\xff\n", "DataNotReadable", "not UTF-8"},
      {"a.csv", "a,b\n1,2\n", "NoUsableColumn", "`a` (text), `b` (text); expected `messages`"},
      {"a.jsonl", "{\"messages\":7}\n", "NoUsableColumn", "`messages` (number)"},
  };
  for (const auto& [name, content, reason, message] : cases) {
    const Failure failure = failure_of(folder, name, content);
    EXPECT_EQ(failure.reason, reason) << name << ": " << content << ": " << failure.message;
    EXPECT_THAT(failure.message, HasSubstr(message));
    EXPECT_THAT(failure.message, HasSubstr(name));
    EXPECT_EQ(failure.failure_class, FailureClass::kPermanent);
  }
  EXPECT_EQ(read(folder.path() / "nothing").failure.reason, "DataNotReadable");
  EXPECT_EQ(read(folder.path()).failure.reason, "DataNotReadable");
  EXPECT_EQ(read(kTestdata / "no-rows.parquet").failure.reason, "DataEmpty");
  const Failure unusable = read(kTestdata / "no-usable-column.parquet").failure;
  EXPECT_EQ(unusable.reason, "NoUsableColumn");
  EXPECT_THAT(unusable.message, HasSubstr("`image` (binary), `label` (int64)"));
}

TEST(Readers, RefusesFilesOfDifferentLayouts) {
  const auto layout =
      read_files(std::vector{kTestdata / "messages.jsonl", kTestdata / "pairs.parquet"},
                 [](Row&&) -> Result<void> { return {}; });
  ASSERT_FALSE(layout);
  EXPECT_EQ(layout.error().reason, "MixedLayouts");
}

TEST(Readers, RefusesTruncatedParquetAtAnyPlace) {
  const TestFolder folder;
  const std::string whole = read_all(kTestdata / "messages-zstd.parquet");
  for (std::size_t size = 1; size < whole.size(); size += 97) {
    const Failure failure = failure_of(folder, "cut.parquet", whole.substr(0, size));
    EXPECT_EQ(failure.reason, "DataNotReadable") << size;
    EXPECT_THAT(failure.message, HasSubstr("cut.parquet"));
  }
}

// Whatever is in a file: rows or a failure, never a crash. Seeded, so that it is the same each
// time.
TEST(Readers, DamagedFilesNeverCrash) {
  const TestFolder folder;
  Rng rng(2026, RngStream::kSampling);
  for (const char* name : {"messages-snappy.parquet", "messages-v1-nodict.parquet",
                           "text-dictionary.parquet", "messages.jsonl", "messages.json"}) {
    const std::string whole = read_all(kTestdata / name);
    for (int round = 0; round < 150; ++round) {
      std::string damaged = whole;
      for (std::uint64_t k = rng.below(6) + 1; k > 0; --k) {
        damaged[rng.below(damaged.size())] = static_cast<char>(rng.below(256));
      }
      const auto result = read(folder.write(name, damaged));
      if (result.failure.reason.empty()) {
        EXPECT_LE(result.rows.size(), 100000U);
      } else {
        EXPECT_LT(result.failure.message.size(), 2000U);
      }
    }
  }
}

TEST(Readers, DeepAndWideJsonIsRefused) {
  const TestFolder folder;
  const std::string deep =
      "{\"text\":" + std::string(1000000, '[') + std::string(1000000, ']') + "}";
  EXPECT_EQ(failure_of(folder, "deep.jsonl", deep + "\n").reason, "DataNotReadable");
  EXPECT_EQ(failure_of(folder, "deep.json", "[" + deep + "]").reason, "DataNotReadable");
  EXPECT_EQ(failure_of(folder, "wide.csv", std::string(100000, ',') + "\n").reason,
            "DataNotReadable");
}

TEST(Readers, TheEndOfAParquetFileIsEnoughToKnowItsColumns) {
  const std::string whole = read_all(kTestdata / "messages-zstd.parquet");
  const std::uint64_t needed = parquet_footer_size(whole);
  ASSERT_GT(needed, 8U);
  const auto table = parquet_footer_table(whole.substr(whole.size() - needed), "remote.parquet");
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ((*table)->row_count(), 60U);
  EXPECT_EQ((*table)->columns()[1].name, "messages");
  EXPECT_EQ((*table)->columns()[1].kind, ColumnKind::kMessages);
  const auto less = parquet_footer_table(whole.substr(whole.size() - needed + 1), "remote.parquet");
  ASSERT_FALSE(less);
  EXPECT_EQ(less.error().reason, "FooterTooShort");
  EXPECT_EQ(parquet_footer_table("no parquet", "x").error().reason, "DataNotReadable");
}

TEST(Readers, TheBeginningOfATextFileIsEnoughToKnowItsColumns) {
  const std::string whole = read_all(kTestdata / "messages.jsonl");
  const auto table = open_table_head(whole.substr(0, whole.size() / 2), "x.jsonl", whole.size());
  ASSERT_TRUE(table) << table.error().message;
  std::size_t rows = 0;
  const std::vector<std::string> columns{"messages"};
  const auto done = (*table)->read(columns, [&](std::span<Cell>) -> Result<void> {
    ++rows;
    return {};
  });
  EXPECT_TRUE(done) << done.error().message;
  EXPECT_GT(rows, 20U);
  EXPECT_LT(rows, 40U);
  EXPECT_EQ(open_table_head(whole.substr(0, 20), "x.jsonl", 9999).error().reason, "HeadTooShort");
  EXPECT_EQ(open_table_head("a,b", "x.csv", 9999).error().reason, "HeadTooShort");
  EXPECT_EQ(open_table_head("PAR1....", "x", 9999).error().reason, "FooterNeeded");
}

}  // namespace
}  // namespace tunesmith::engine
