#include "job_file.h"

#include <google/protobuf/descriptor.h>

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace tunesmith::gpu_worker {
namespace {

using Json = nlohmann::json;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

Json scalar_of(const Message& message, const FieldDescriptor& field) {
  const auto& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.GetUInt32(message, &field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.GetUInt64(message, &field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.GetDouble(message, &field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.GetString(message, &field);
    default:
      throw std::logic_error("HyperParameters." + field.name() + " has a type without JSON form");
  }
}

Json object_of(const Message& message) {
  Json object = Json::object();
  const auto& descriptor = *message.GetDescriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    if (!field.is_repeated()) {
      object[field.name()] = scalar_of(message, field);
      continue;
    }
    Json list = Json::array();
    const auto& reflection = *message.GetReflection();
    for (int k = 0; k < reflection.FieldSize(message, &field); ++k) {
      list.push_back(reflection.GetRepeatedString(message, &field, k));
    }
    object[field.name()] = std::move(list);
  }
  return object;
}

}  // namespace

std::string job_file(const events::v1::TuningPlan& plan, const JobPlaces& places) {
  Json data = Json::array();
  for (const auto& file : places.data) data.push_back(file.string());
  const Json job = {
      {"model_dir", places.model_dir.string()},
      {"model_name", plan.model().repository()},
      {"data", std::move(data)},
      {"work_dir", places.work_dir.string()},
      {"resume_from", places.resume_from.string()},
      {"checkpoint_interval_seconds",
       std::chrono::duration<double>(places.checkpoint_interval).count()},
      {"method", plan.method() == events::v1::TUNING_METHOD_LORA ? "lora" : "qlora"},
      {"device", "cpu"},
      {"threads", places.threads},
      {"hyper_parameters", object_of(plan.hyper_parameters())},
  };
  return job.dump(2);
}

}  // namespace tunesmith::gpu_worker
