// The names of the admission rules. A rule's id is stable: tables of cases name it, and whoever
// counts refusals may.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tunesmith::workspace {

enum class Rule : std::uint8_t {
  kKind,
  kFieldType,
  kObjectSize,
  kNoSpec,
  kOneGoal,
  kMetadataName,
  kMetadataNamespace,
  kAnnotationFlag,
  kAnnotationRetry,
  kAnnotationDataSecret,
  kResourcePresent,
  kResourceCount,
  kSelectorPresent,
  kSelectorLabels,
  kSelectorOwnLabel,
  kInstanceTypePresent,
  kInstanceTypeKnown,
  kInstanceTypeRetired,
  kPreferredNodes,
  kPartitionGoal,
  kPartitionNodes,
  kPartitionShape,
  kPresetPresent,
  kPresetKnown,
  kAccessMode,
  kAccessModePrivate,
  kPresetImage,
  kModelAccessSecret,
  kPullSecrets,
  kMethod,
  kConfigName,
  kInputOne,
  kInputUrlCount,
  kInputUrl,
  kInputUrlUnique,
  kInputFile,
  kInputImage,
  kOutputOne,
  kOutputImage,
  kOutputTag,
  kPushSecretPresent,
  kPushSecretName,
  kVolumeKind,
  kVolumeHostPath,
  kInferenceOne,
  kAdapterCount,
  kAdapterSource,
  kAdapterName,
  kAdapterUnique,
  kAdapterUrls,
  kAdapterImage,
  kAdapterStrength,
  kInferenceServed,
  kImmutableCount,
  kImmutableInstanceType,
  kImmutableSelector,
  kImmutableGoal,
  kImmutableMethod,
  kImmutableTuningPreset,
  kImmutableInferencePreset,
  kConfigMapKind,
  kConfigMapName,
  kConfigMapTrainingConfig,
};

enum class RuleScope : std::uint8_t {
  kWorkspace,        // a Workspace, new or changed
  kWorkspaceChange,  // a Workspace and what it was before
  kConfigMap,
};

struct RuleInfo {
  Rule rule;
  const char* id;
  RuleScope scope = RuleScope::kWorkspace;
};

inline constexpr std::array kRules{
    RuleInfo{Rule::kKind, "kind"},
    RuleInfo{Rule::kFieldType, "field-type"},
    RuleInfo{Rule::kObjectSize, "object-size"},
    RuleInfo{Rule::kNoSpec, "no-spec"},
    RuleInfo{Rule::kOneGoal, "one-goal"},
    RuleInfo{Rule::kMetadataName, "metadata-name"},
    RuleInfo{Rule::kMetadataNamespace, "metadata-namespace"},
    RuleInfo{Rule::kAnnotationFlag, "annotation-flag"},
    RuleInfo{Rule::kAnnotationRetry, "annotation-retry"},
    RuleInfo{Rule::kAnnotationDataSecret, "annotation-data-secret"},
    RuleInfo{Rule::kResourcePresent, "resource-present"},
    RuleInfo{Rule::kResourceCount, "resource-count"},
    RuleInfo{Rule::kSelectorPresent, "selector-present"},
    RuleInfo{Rule::kSelectorLabels, "selector-labels"},
    RuleInfo{Rule::kSelectorOwnLabel, "selector-own-label"},
    RuleInfo{Rule::kInstanceTypePresent, "instance-type-present"},
    RuleInfo{Rule::kInstanceTypeKnown, "instance-type-known"},
    RuleInfo{Rule::kInstanceTypeRetired, "instance-type-retired"},
    RuleInfo{Rule::kPreferredNodes, "preferred-nodes"},
    RuleInfo{Rule::kPartitionGoal, "partition-goal"},
    RuleInfo{Rule::kPartitionNodes, "partition-nodes"},
    RuleInfo{Rule::kPartitionShape, "partition-shape"},
    RuleInfo{Rule::kPresetPresent, "preset-present"},
    RuleInfo{Rule::kPresetKnown, "preset-known"},
    RuleInfo{Rule::kAccessMode, "access-mode"},
    RuleInfo{Rule::kAccessModePrivate, "access-mode-private"},
    RuleInfo{Rule::kPresetImage, "preset-image"},
    RuleInfo{Rule::kModelAccessSecret, "model-access-secret"},
    RuleInfo{Rule::kPullSecrets, "pull-secrets"},
    RuleInfo{Rule::kMethod, "method"},
    RuleInfo{Rule::kConfigName, "config-name"},
    RuleInfo{Rule::kInputOne, "input-one"},
    RuleInfo{Rule::kInputUrlCount, "input-url-count"},
    RuleInfo{Rule::kInputUrl, "input-url"},
    RuleInfo{Rule::kInputUrlUnique, "input-url-unique"},
    RuleInfo{Rule::kInputFile, "input-file"},
    RuleInfo{Rule::kInputImage, "input-image"},
    RuleInfo{Rule::kOutputOne, "output-one"},
    RuleInfo{Rule::kOutputImage, "output-image"},
    RuleInfo{Rule::kOutputTag, "output-tag"},
    RuleInfo{Rule::kPushSecretPresent, "push-secret-present"},
    RuleInfo{Rule::kPushSecretName, "push-secret-name"},
    RuleInfo{Rule::kVolumeKind, "volume-kind"},
    RuleInfo{Rule::kVolumeHostPath, "volume-host-path"},
    RuleInfo{Rule::kInferenceOne, "inference-one"},
    RuleInfo{Rule::kAdapterCount, "adapter-count"},
    RuleInfo{Rule::kAdapterSource, "adapter-source"},
    RuleInfo{Rule::kAdapterName, "adapter-name"},
    RuleInfo{Rule::kAdapterUnique, "adapter-unique"},
    RuleInfo{Rule::kAdapterUrls, "adapter-urls"},
    RuleInfo{Rule::kAdapterImage, "adapter-image"},
    RuleInfo{Rule::kAdapterStrength, "adapter-strength"},
    RuleInfo{Rule::kInferenceServed, "inference-served"},
    RuleInfo{Rule::kImmutableCount, "immutable-count", RuleScope::kWorkspaceChange},
    RuleInfo{Rule::kImmutableInstanceType, "immutable-instance-type", RuleScope::kWorkspaceChange},
    RuleInfo{Rule::kImmutableSelector, "immutable-selector", RuleScope::kWorkspaceChange},
    RuleInfo{Rule::kImmutableGoal, "immutable-goal", RuleScope::kWorkspaceChange},
    RuleInfo{Rule::kImmutableMethod, "immutable-method", RuleScope::kWorkspaceChange},
    RuleInfo{Rule::kImmutableTuningPreset, "immutable-tuning-preset", RuleScope::kWorkspaceChange},
    RuleInfo{Rule::kImmutableInferencePreset, "immutable-inference-preset",
             RuleScope::kWorkspaceChange},
    RuleInfo{Rule::kConfigMapKind, "config-map-kind", RuleScope::kConfigMap},
    RuleInfo{Rule::kConfigMapName, "config-map-name", RuleScope::kConfigMap},
    RuleInfo{Rule::kConfigMapTrainingConfig, "config-map-training-config", RuleScope::kConfigMap},
};

// One entry per enumerator, in their order.
static_assert([] {
  for (std::size_t i = 0; i < kRules.size(); ++i) {
    if (kRules[i].rule != static_cast<Rule>(i)) {
      return false;
    }
  }
  return kRules.back().rule == Rule::kConfigMapTrainingConfig;
}());

constexpr std::string_view rule_id(Rule rule) { return kRules[static_cast<std::size_t>(rule)].id; }

constexpr std::optional<Rule> find_rule(std::string_view id) {
  for (const RuleInfo& info : kRules) {
    if (id == info.id) {
      return info.rule;
    }
  }
  return std::nullopt;
}

}  // namespace tunesmith::workspace
