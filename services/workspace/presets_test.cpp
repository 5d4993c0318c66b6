#include "workspace/presets.h"

#include <gtest/gtest.h>

#include "workspace/image_reference.h"
#include "workspace/spelling.h"

namespace tunesmith::workspace {
namespace {

TEST(Presets, EveryModelThatKaitoTunesIsKnownByBothItsNames) {
  for (const char* name :
       {"phi-4", "phi-4-mini-instruct", "phi-3-mini-4k-instruct", "phi-3-mini-128k-instruct",
        "phi-3-medium-4k-instruct", "phi-3-medium-128k-instruct", "phi-3.5-mini-instruct",
        "qwen2.5-coder-7b-instruct", "qwen2.5-coder-32b-instruct", "microsoft/phi-4",
        "microsoft/Phi-4-mini-instruct", "microsoft/phi-3-mini-4k-instruct",
        "Qwen/Qwen2.5-Coder-7B-Instruct", "PHI-4"}) {
    EXPECT_NE(built_in_presets().find(name), nullptr) << name;
  }
}

TEST(Presets, ACatalogueThatIsWrongNamesTheEntry) {
  for (const auto& [yaml, says] : std::vector<std::pair<std::string, std::string>>{
           {"presets: [{name: a}]", "{\"name\":\"a\"}"},
           {"models: []", "one key 'presets'"},
           {"presets: [{name: a, size: 3}]", "unknown key 'size'"},
           {"presets: [{name: a, repository: o/a, architecture: llama, parameters: 1},"
            "{name: A2, repository: o/b, architecture: llama, parameters: 1}]",
            "A2"},
           {"presets: [{name: a, repository: o/a, architecture: llama, parameters: 1},"
            "{name: b, aliases: [A], repository: o/b, architecture: llama, parameters: 1}]",
            "'A' stands twice"}}) {
    const auto catalogue = PresetCatalogue::parse(yaml);
    ASSERT_FALSE(catalogue.has_value()) << yaml;
    EXPECT_EQ(catalogue.error().reason, "PresetsInvalid");
    EXPECT_NE(catalogue.error().message.find(says), std::string::npos) << catalogue.error().message;
  }
}

TEST(Presets, AnyRepositoryOfTheHubMayBeNamed) {
  const auto model = choose_model("some-org/Some_Model.v2", built_in_presets());
  ASSERT_TRUE(model.has_value());
  EXPECT_EQ(model->preset, "");
  EXPECT_EQ(model->repository, "some-org/Some_Model.v2");
}

TEST(ImageReference, PartsAreRead) {
  const auto image = parse_image_reference("registry.example.org:5000/team/phi-3:0.0.1");
  ASSERT_TRUE(image.has_value());
  EXPECT_EQ(image->registry, "registry.example.org:5000");
  EXPECT_EQ(image->repository, "team/phi-3");
  EXPECT_EQ(image->tag, "0.0.1");
  const auto hub = parse_image_reference("adapters");
  ASSERT_TRUE(hub.has_value());
  EXPECT_EQ(hub->registry + "/" + hub->repository + ":" + hub->tag,
            "docker.io/library/adapters:latest");
}

TEST(Spelling, DistanceAndNearest) {
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(nearest("Learning_Rate", {"seed", "learning_rate"}), "learning_rate");
  EXPECT_EQ(nearest("zzzzzz", {"seed", "learning_rate"}), std::nullopt);
}

}  // namespace
}  // namespace tunesmith::workspace
