#include "workspace/training_config.h"

#include "runtime/text.h"
#include "targets.h"

namespace tunesmith::fuzz {

void training_config(std::string_view input) {
  for (const auto method : {events::v1::TUNING_METHOD_UNSPECIFIED, events::v1::TUNING_METHOD_LORA,
                            events::v1::TUNING_METHOD_QLORA}) {
    const auto config = workspace::read_training_config(input, method);
    if (!config) {
      promise(is_utf8(config.error().message), "messages are UTF-8");
      continue;
    }
    const auto& hyper = config->hyper_parameters;
    promise(hyper.lora_rank() >= 1 && hyper.lora_rank() <= 1024, "the rank is in its bounds");
    promise(hyper.learning_rate() > 0 && hyper.learning_rate() <= 1, "so is the learning rate");
    promise(hyper.per_device_train_batch_size() >= 1, "a batch has a row");
    promise(hyper.logging_steps() >= 1, "progress is told");
    promise(hyper.train_test_split() > 0 && hyper.train_test_split() <= 1, "something is trained");
    promise(hyper.num_train_epochs() > 0, "for some time");
    promise(config->model_revision.find("..") == std::string::npos, "a revision is no path");
    // What cannot travel in an event must not be accepted.
    promise(is_utf8(hyper.SerializeAsString().empty() ? "" : hyper.lr_scheduler_type()),
            "texts are UTF-8");
    for (const auto& note : config->notes) {
      promise(is_utf8(note), "notes are UTF-8");
    }
  }
}

}  // namespace tunesmith::fuzz
