// One stop for a job that several causes may end.
#pragma once

#include <stop_token>
#include <utility>

namespace tunesmith {

// Stops when either of the tokens does or when told to. Thread-safe.
class AnyStop {
 public:
  explicit AnyStop(std::stop_token one, std::stop_token other = {})
      : one_(std::move(one), Request{source_}), other_(std::move(other), Request{source_}) {}
  AnyStop(const AnyStop&) = delete;
  AnyStop& operator=(const AnyStop&) = delete;

  void request() { source_.request_stop(); }
  std::stop_token token() const { return source_.get_token(); }

 private:
  struct Request {
    std::stop_source source;
    void operator()() const { source.request_stop(); }
  };
  std::stop_source source_;
  std::stop_callback<Request> one_, other_;
};

}  // namespace tunesmith
