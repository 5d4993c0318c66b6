#include "workspace/training_config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "workspace/documents.h"
#include "workspace/training_keys.h"
#include "workspace/validate.h"

namespace tunesmith::workspace {
namespace {

using nlohmann::json;

std::string read_file(const std::string& name) {
  std::ifstream stream(std::string(TUNESMITH_TEST_DIR) + "/testdata/" + name);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

events::v1::TuningMethod method_of(const std::string& name) {
  return name == "qlora"  ? events::v1::TUNING_METHOD_QLORA
         : name == "lora" ? events::v1::TUNING_METHOD_LORA
                          : events::v1::TUNING_METHOD_UNSPECIFIED;
}

json as_json(const events::v1::HyperParameters& hyper) {
  json object;
  const auto* descriptor = hyper.GetDescriptor();
  const auto* reflection = hyper.GetReflection();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto* field = descriptor->field(i);
    if (field->is_repeated()) {
      object[field->name()] =
          std::vector<std::string>(hyper.target_modules().begin(), hyper.target_modules().end());
      continue;
    }
    switch (field->cpp_type()) {
      case google::protobuf::FieldDescriptor::CPPTYPE_DOUBLE:
        object[field->name()] = reflection->GetDouble(hyper, field);
        break;
      case google::protobuf::FieldDescriptor::CPPTYPE_BOOL:
        object[field->name()] = reflection->GetBool(hyper, field);
        break;
      case google::protobuf::FieldDescriptor::CPPTYPE_UINT32:
        object[field->name()] = reflection->GetUInt32(hyper, field);
        break;
      case google::protobuf::FieldDescriptor::CPPTYPE_UINT64:
        object[field->name()] = reflection->GetUInt64(hyper, field);
        break;
      default:
        object[field->name()] = reflection->GetString(hyper, field);
    }
  }
  return object;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) {
    text += line + "\n";
  }
  return text;
}

// Each case: `config` is the text under training_config.yaml; `gives` are hyper-parameters, `notes`
// and `refused` pieces of text.
TEST(TrainingConfig, Table) {
  const auto cases = parse_value(read_file("training_config.yaml"));
  ASSERT_TRUE(cases.has_value()) << cases.error().message;
  for (const auto& example : *cases) {
    SCOPED_TRACE(example.value("name", "?"));
    const auto config = read_training_config(example["config"].get<std::string>(),
                                             method_of(example.value("method", "")));
    if (example.contains("refused")) {
      ASSERT_FALSE(config.has_value());
      EXPECT_EQ(config.error().reason, "TrainingConfigInvalid");
      EXPECT_NE(config.error().message.find(example["refused"].get<std::string>()),
                std::string::npos)
          << config.error().message;
      continue;
    }
    ASSERT_TRUE(config.has_value()) << config.error().message;
    const json hyper = as_json(config->hyper_parameters);
    const json gives = example.value("gives", json::object());
    for (const auto& [key, value] : gives.items()) {
      EXPECT_EQ(hyper[key], value) << key;
    }
    const std::string notes = joined(config->notes);
    for (const auto& piece : example.value("notes", json::array())) {
      EXPECT_NE(notes.find(piece.get<std::string>()), std::string::npos) << notes;
    }
    if (!example.contains("notes")) {
      EXPECT_EQ(notes, "");
    }
    EXPECT_EQ(config->model_revision, example.value("revision", ""));
  }
}

TEST(TrainingConfig, KaitosTemplatesAndExampleGiveTheDefaults) {
  for (const auto& [file, method] : std::vector<std::pair<std::string, std::string>>{
           {"kaito/lora-params.yaml", "lora"}, {"kaito/qlora-params.yaml", "qlora"}}) {
    const auto text = training_config_of(*parse_value(read_file(file)));
    ASSERT_TRUE(text.has_value()) << text.error().message;
    const auto config = read_training_config(*text, method_of(method));
    ASSERT_TRUE(config.has_value()) << config.error().message;
    EXPECT_EQ(as_json(config->hyper_parameters),
              as_json(default_hyper_parameters(method_of(method))));
    for (const char* key : {"ModelConfig.device_map", "ModelConfig.local_files_only",
                            "TrainingArguments.ddp_find_unused_parameters", "DataCollator.mlm"}) {
      EXPECT_NE(joined(config->notes).find(key), std::string::npos) << key;
    }
  }
}

// Never silence: a value of the wrong kind is refused by every key that has an effect, and a key
// that has none is named.
TEST(TrainingConfig, EveryKeyIsEitherReadOrNamed) {
  for (const auto& key : training_keys()) {
    const json wrong = {{"training_config", {{key.section, {{key.name, {{"x", 1}}}}}}}};
    const auto config = read_training_config(wrong.dump(), events::v1::TUNING_METHOD_QLORA);
    const std::string name = std::string(key.section) + "." + key.name;
    if (key.has_effect) {
      ASSERT_FALSE(config.has_value()) << name;
      EXPECT_NE(config.error().message.find(name + ": "), std::string::npos)
          << config.error().message;
    } else {
      ASSERT_TRUE(config.has_value()) << config.error().message;
      EXPECT_NE(joined(config->notes).find(name), std::string::npos) << joined(config->notes);
    }
  }
}

TEST(TrainingConfig, EveryMisspeltKeyIsAnsweredWithAKnownOne) {
  for (const auto& key : training_keys()) {
    if (key.name.size() < 5) {
      continue;  // too short for a nearest name; the known ones are listed then
    }
    const json wrong = {{"training_config", {{key.section, {{key.name + "_x", 1}}}}}};
    const auto config = read_training_config(wrong.dump(), events::v1::TUNING_METHOD_LORA);
    ASSERT_FALSE(config.has_value()) << key.name;
    EXPECT_NE(config.error().message.find("did you mean '" + key.name + "'?"), std::string::npos)
        << config.error().message;
  }
}

TEST(TrainingConfig, TheDocumentNamesEveryKeyInItsSection) {
  std::ifstream stream(std::string(TUNESMITH_TEST_DIR) + "/../../docs/admission.md");
  std::map<std::string, std::string> rows;
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("| ") && line.size() > 2) {
      rows[line.substr(2, line.find(' ', 2) - 2)] = line;
    }
  }
  for (const auto& key : training_keys()) {
    const std::string& row = rows[key.section];
    const std::string last = row.substr(std::min(row.rfind(" | "), row.size()));
    const bool without_effect = last.find("`" + key.name + "`") != std::string::npos;
    EXPECT_NE(row.find("`" + key.name + "`"), std::string::npos) << key.section << "." << key.name;
    EXPECT_EQ(without_effect, !key.has_effect) << key.section << "." << key.name;
  }
}

TEST(TrainingConfig, EveryKeyStandsOnceInItsSection) {
  std::set<std::string> seen;
  for (const auto& key : training_keys()) {
    EXPECT_TRUE(seen.insert(std::string(key.section) + "." + key.name).second)
        << key.section << "." << key.name;
  }
}

}  // namespace
}  // namespace tunesmith::workspace
