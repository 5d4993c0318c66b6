#include "image-builder/handlers.h"

#include <utility>

#include "bus/standing_watch.h"
#include "image-builder/adapter_image.h"
#include "image-builder/output_folder.h"
#include "image-builder/output_image.h"
#include "image-builder/push_folder.h"

namespace tunesmith::image_builder {

namespace {

using bus::Disposition;
namespace v1 = events::v1;

constexpr std::chrono::seconds kBusRetry{5};

std::string shown_output(const v1::Plan& plan) {
  return plan.output().volume_path().empty() ? plan.output().image() : plan.output().volume_path();
}

template <typename Event>
Event about(const v1::WorkspaceRef& workspace) {
  Event event;
  *event.mutable_workspace() = workspace;
  return event;
}

template <typename Event>
Event failed(const v1::WorkspaceRef& workspace, const Failure& failure) {
  auto event = about<Event>(workspace);
  *event.mutable_failure() = bus::to_proto(failure);
  return event;
}

Log log_for(const Log& log, const v1::WorkspaceRef& workspace, const bus::IncomingEvent& event) {
  return log.with({{"workspace", workspace.namespace_() + "/" + workspace.name()},
                   {"uid", workspace.uid()},
                   {"generation", static_cast<long long>(workspace.generation())},
                   {"event_id", event.id},
                   {"traceparent", event.traceparent}});
}

}  // namespace

struct Handlers::Patience {
  Clock::SteadyTime since;
  Backoff backoff;
  PushProgress progress;
};

Handlers::Handlers(BuilderOptions options, World world)
    : options_(std::move(options)), world_(std::move(world)) {}

Disposition Handlers::on_tuning_planned(const bus::IncomingEvent& incoming, std::stop_token stop) {
  const auto event = bus::decode<v1::TuningPlanned>(incoming);
  if (!event) return Disposition::dead(event.error());
  const auto& workspace = event->workspace();
  if (const auto instead = not_now(incoming, workspace)) return *instead;

  const bus::StandingWatch watch(world_.current, workspace, stop);
  const auto patience =
      patience_for(incoming, workspace, first_check_sequence(incoming.deliveries));
  auto call = call_for(*patience, options_.check_limit, watch.token());
  call.waits = false;
  auto output = check_output(workspace, event->plan(), call);
  if (watch.superseded()) return settled(incoming, Disposition::done());
  if (stop.stop_requested()) return settled(incoming, Disposition::hand_back());
  if (const auto instead = not_now(incoming, workspace)) return *instead;
  if (!output) {
    if (const auto later = try_later(*patience, output.error(), options_.check_limit))
      return *later;
  }
  held_.settled(incoming.id);

  const Log log = log_for(world_.log, workspace, incoming);
  world_.metrics.output_checked(output ? "cleared" : output.error().reason);
  if (!output) {
    log.warning("plan rejected",
                {{"reason", output.error().reason}, {"failure", output.error().message}});
    return announce(bus::make_event(failed<v1::PlanRejected>(workspace, output.error()), "",
                                    incoming.traceparent));
  }
  log.info("plan cleared", {{"output", shown_output(event->plan())}});
  auto cleared = about<v1::PlanCleared>(workspace);
  *cleared.mutable_plan() = event->plan();
  return announce(bus::make_event(cleared, "", incoming.traceparent));
}

Disposition Handlers::on_adapter_ready(const bus::IncomingEvent& incoming, std::stop_token stop) {
  const auto event = bus::decode<v1::AdapterReady>(incoming);
  if (!event) return Disposition::dead(event.error());
  const auto& workspace = event->workspace();
  if (const auto instead = not_now(incoming, workspace)) return *instead;

  const auto began = world_.clock.steady_now();
  const bus::StandingWatch watch(world_.current, workspace, stop);
  const auto patience = patience_for(incoming, workspace, first_push_sequence(incoming.deliveries));
  auto pushed =
      push(*event, patience->progress, call_for(*patience, options_.push_limit, watch.token()));
  if (watch.superseded()) return settled(incoming, Disposition::done());
  if (!pushed && stop.stop_requested()) return settled(incoming, Disposition::hand_back());
  if (const auto instead = not_now(incoming, workspace)) return *instead;
  if (!pushed) {
    if (const auto later = try_later(*patience, pushed.error(), options_.push_limit)) return *later;
  }
  held_.settled(incoming.id);

  const Log log = log_for(world_.log, workspace, incoming);
  world_.metrics.push_ended(pushed ? "pushed" : pushed.error().reason);
  if (!pushed) {
    log.error("push failed",
              {{"reason", pushed.error().reason}, {"failure", pushed.error().message}});
    return announce(bus::make_event(failed<v1::ImagePushFailed>(workspace, pushed.error()), "",
                                    incoming.traceparent));
  }
  const std::chrono::duration<double> seconds = world_.clock.steady_now() - began;
  world_.metrics.pushed(static_cast<double>(pushed->size_bytes()), seconds.count());
  log.info("adapter stored", {{"output", shown_output(event->plan())},
                              {"digest", pushed->digest()},
                              {"size_bytes", static_cast<unsigned long>(pushed->size_bytes())},
                              {"seconds", seconds.count()}});
  return announce(bus::make_event(*pushed, "", incoming.traceparent));
}

Result<void> Handlers::check_output(const v1::WorkspaceRef& workspace, const v1::Plan& plan,
                                    const registry::RegistryCall& call) {
  if (plan.output().volume_path().empty()) {
    const auto output =
        open_output_image({world_.http, world_.clock, options_}, workspace, plan, true, call);
    return output ? Result<void>() : tl::unexpected(output.error());
  }
  const auto folder = OutputFolder::open(plan, options_.allowed_host_paths);
  return folder ? Result<void>() : tl::unexpected(folder.error());
}

Result<v1::ImagePushed> Handlers::push(const v1::AdapterReady& ready, PushProgress& progress,
                                       const registry::RegistryCall& call) {
  const auto& plan = ready.plan();
  if (!plan.output().volume_path().empty()) return store_in_folder(ready, call);
  auto first_contact = call;
  first_contact.waits = false;
  const auto output = open_output_image({world_.http, world_.clock, options_}, ready.workspace(),
                                        plan, false, first_contact);
  if (!output) return tl::unexpected(output.error());

  auto pushed = about<v1::ImagePushed>(ready.workspace());
  pushed.set_image(plan.output().image());
  pushed.set_tuning_key(plan.tuning_key());
  *pushed.mutable_adapter() = ready.adapter();
  if (output->holds) {
    pushed.set_digest(output->holds->digest);
    pushed.set_size_bytes(registry::image_size_bytes(output->holds->body));
    return pushed;
  }
  const auto folder = PushFolder::make(options_.work_dir, ready.workspace().uid());
  if (!folder) return tl::unexpected(folder.error());
  const auto image = build(ready, folder->path(), call);
  if (!image) return tl::unexpected(image.error());
  progress.set_total(image->size_bytes());
  if (const auto done = output->client->push(*image, output->tag, call); !done) {
    return tl::unexpected(done.error());
  }
  pushed.set_digest(image->manifest_digest);
  pushed.set_size_bytes(image->size_bytes());
  return pushed;
}

Result<v1::ImagePushed> Handlers::store_in_folder(const v1::AdapterReady& ready,
                                                  const registry::RegistryCall& call) {
  const auto& plan = ready.plan();
  const auto work = PushFolder::make(options_.work_dir, ready.workspace().uid());
  if (!work) return tl::unexpected(work.error());
  const auto archive = work->path() / "adapter.tar";
  const auto once = [&]() -> Result<StoredAdapter> {
    const auto folder = OutputFolder::open(plan, options_.allowed_host_paths);
    if (!folder) return tl::unexpected(folder.error());
    if (auto there = folder->stored()) return *there;
    if (auto fetched = fetch(ready.adapter(), archive, call); !fetched) {
      return tl::unexpected(fetched.error());
    }
    return folder->write(archive);
  };
  registry::RetryWait wait(world_.clock, options_.registry, call);
  auto stored = once();
  while (!stored && stored.error().failure_class == FailureClass::kTransient &&
         wait.again(stored.error(), std::chrono::seconds(0))) {
    stored = once();
  }
  if (!stored) return tl::unexpected(stored.error());
  auto pushed = about<v1::ImagePushed>(ready.workspace());
  pushed.set_path(plan.output().volume_path());
  pushed.set_digest(stored->digest);
  pushed.set_size_bytes(stored->size_bytes);
  pushed.set_tuning_key(plan.tuning_key());
  *pushed.mutable_adapter() = ready.adapter();
  return pushed;
}

Result<registry::Image> Handlers::build(const v1::AdapterReady& ready,
                                        const std::filesystem::path& folder,
                                        const registry::RegistryCall& call) {
  const auto archive = folder / "adapter.tar";
  registry::RetryWait wait(world_.clock, options_.registry, call);
  while (true) {
    const auto fetched = fetch(ready.adapter(), archive, call);
    auto image = fetched ? build_adapter_image(archive, folder / "layer.tar.gz",
                                               annotations_of(ready.plan()))
                         : tl::unexpected(fetched.error());
    std::error_code ignored;
    std::filesystem::remove(archive, ignored);
    if (image || image.error().failure_class != FailureClass::kTransient) return image;
    if (!wait.again(image.error(), std::chrono::seconds(0))) return image;
  }
}

Result<void> Handlers::fetch(const v1::AdapterObject& adapter, const std::filesystem::path& file,
                             const registry::RegistryCall& call) {
  const auto fetched = world_.objects.get_file(adapter.bucket(), adapter.name(), file, call.stop);
  if (!fetched && fetched.error().failure_class != FailureClass::kTransient) {
    return permanent("AdapterMissing",
                     "the trained adapter cannot be read from the object store (" +
                         fetched.error().message + "); tunesmith retry trains again");
  }
  if (!fetched) return tl::unexpected(fetched.error());
  if (fetched->sha256 != adapter.sha256()) {
    return permanent("AdapterInvalid", "the object " + adapter.name() + " has sha256 " +
                                           fetched->sha256 + ", the worker announced " +
                                           adapter.sha256() + "; tunesmith retry trains again");
  }
  return {};
}

std::shared_ptr<Handlers::Patience> Handlers::patience_for(const bus::IncomingEvent& incoming,
                                                           const v1::WorkspaceRef& workspace,
                                                           std::uint64_t first_sequence) {
  return held_.of(incoming.id, [&] {
    return std::make_shared<Patience>(
        Patience{world_.clock.steady_now(),
                 Backoff(options_.registry.backoff,
                         options_.registry.seed + std::hash<std::string>{}(incoming.id)),
                 PushProgress(world_.publisher, world_.clock, options_.progress_every, workspace,
                              first_sequence, incoming.traceparent)});
  });
}

registry::RegistryCall Handlers::call_for(Patience& patience, std::chrono::milliseconds limit,
                                          std::stop_token stop) {
  return {.stop = std::move(stop),
          .deadline = patience.since + limit,
          .on_wait = [this, &patience](const Failure& failure) { tell_wait(patience, failure); },
          .on_progress = [&patience](std::uint64_t bytes) { patience.progress.moved(bytes); }};
}

void Handlers::tell_wait(Patience& patience, const Failure& failure) {
  world_.metrics.waited(failure.reason);
  world_.log.debug("waiting", {{"reason", failure.reason}, {"failure", failure.message}});
  patience.progress.waiting(failure);
}

std::optional<Disposition> Handlers::try_later(Patience& patience, Failure& failure,
                                               std::chrono::milliseconds limit) {
  if (failure.failure_class != FailureClass::kTransient) return std::nullopt;
  const auto patient_for = failure.reason == "SecretMissing" ? options_.secret_limit : limit;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(patience.since + patient_for -
                                                                 world_.clock.steady_now());
  if (left.count() <= 0) {
    if (!failure.message.ends_with(" tries")) {
      failure.message +=
          "; gave up after " + std::to_string(patience.backoff.tries() + 1) + " tries";
    }
    return std::nullopt;
  }
  tell_wait(patience, failure);
  return Disposition::retry(std::min(patience.backoff.next(), left));
}

Disposition Handlers::settled(const bus::IncomingEvent& incoming, Disposition disposition) {
  held_.settled(incoming.id);
  return disposition;
}

std::optional<Disposition> Handlers::not_now(const bus::IncomingEvent& incoming,
                                             const v1::WorkspaceRef& workspace) {
  const auto standing = bus::standing(world_.current, workspace);
  if (!standing) return Disposition::retry(kBusRetry);
  if (*standing != bus::Standing::kCurrent) return settled(incoming, Disposition::done());
  return std::nullopt;
}

Disposition Handlers::announce(const bus::OutgoingEvent& event) {
  return world_.publisher.publish(event) ? Disposition::done() : Disposition::retry(kBusRetry);
}

}  // namespace tunesmith::image_builder
