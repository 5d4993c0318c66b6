#include "bus/event.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "runtime/text.h"
#include "tunesmith/events/v1/image.pb.h"
#include "tunesmith/events/v1/nodes.pb.h"
#include "tunesmith/events/v1/planning.pb.h"
#include "tunesmith/events/v1/serving.pb.h"
#include "tunesmith/events/v1/tuning.pb.h"
#include "tunesmith/events/v1/workspace.pb.h"

namespace tunesmith::bus {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;

// What tells an event from the other messages of the contract: its first field is the Workspace it
// is about.
bool is_event(const Descriptor& message) {
  const FieldDescriptor* first = message.FindFieldByNumber(1);
  return first != nullptr && first->name() == "workspace" &&
         first->message_type() == events::v1::WorkspaceRef::descriptor();
}

// What strangers sent is quoted in failures (an entity tag, an answer): nothing that a terminal
// would obey, and not more than a status can hold twenty times.
std::string fit_to_be_told(std::string_view text) {
  constexpr std::size_t kLongest = 4096;
  std::string told = valid_utf8(text.substr(0, kLongest));
  std::replace_if(
      told.begin(), told.end(),
      [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f; }, ' ');
  return text.size() > kLongest ? told + "…" : told;
}

}  // namespace

std::string token_of(std::string_view message_name) {
  std::string token;
  for (const char c : message_name) {
    if (std::isupper(static_cast<unsigned char>(c)) != 0 && !token.empty()) token += '-';
    token += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return token;
}

std::vector<std::string> all_event_tokens() {
  const std::array<const FileDescriptor*, 6> files = {
      events::v1::WorkspaceObserved::descriptor()->file(),
      events::v1::TuningPlanned::descriptor()->file(),
      events::v1::NodesReady::descriptor()->file(),
      events::v1::TuningStarted::descriptor()->file(),
      events::v1::ImagePushed::descriptor()->file(),
      events::v1::ServingReady::descriptor()->file()};
  std::vector<std::string> tokens;
  for (const FileDescriptor* file : files) {
    for (int i = 0; i < file->message_type_count(); ++i) {
      const Descriptor* message = file->message_type(i);
      if (is_event(*message)) tokens.push_back(token_of(message->name()));
    }
  }
  std::sort(tokens.begin(), tokens.end());
  return tokens;
}

std::string subject_of(std::string_view token, std::string_view uid) {
  std::string subject(kSubjectPrefix);
  subject.append(token).append(".").append(uid);
  return subject;
}

std::string cloud_event_type_of(std::string_view token) {
  return "dev.tunesmith." + std::string(token) + ".v1";
}

std::string event_id(const events::v1::WorkspaceRef& workspace, std::string_view token,
                     std::string_view suffix) {
  std::string id = workspace.uid() + "/" + std::to_string(workspace.generation()) + "/" +
                   std::to_string(workspace.pass()) + "/" + std::string(token);
  if (!suffix.empty()) id.append("/").append(suffix);
  return id;
}

events::v1::Failure to_proto(const Failure& failure) {
  events::v1::Failure out;
  switch (failure.failure_class) {
    case FailureClass::kTransient:
      out.set_class_(events::v1::FAILURE_CLASS_TRANSIENT);
      break;
    case FailureClass::kPermanent:
      out.set_class_(events::v1::FAILURE_CLASS_PERMANENT);
      break;
    case FailureClass::kPoison:
      out.set_class_(events::v1::FAILURE_CLASS_POISON);
      break;
  }
  out.set_reason(fit_to_be_told(failure.reason));
  out.set_message(fit_to_be_told(failure.message));
  return out;
}

Failure from_proto(const events::v1::Failure& failure) {
  Failure out;
  out.reason = failure.reason();
  out.message = failure.message();
  if (failure.class_() == events::v1::FAILURE_CLASS_TRANSIENT) {
    out.failure_class = FailureClass::kTransient;
  } else if (failure.class_() == events::v1::FAILURE_CLASS_POISON) {
    out.failure_class = FailureClass::kPoison;
  }
  return out;
}

}  // namespace tunesmith::bus
