// The manifest of the tests that only read it.
#pragma once

#include <string>

namespace tunesmith::cli {

// A Workspace as a person writes it; `more` are further lines of `tuning`, indented.
inline std::string workspace_manifest(const std::string& name, const std::string& url,
                                      const std::string& more = "") {
  return R"(
apiVersion: kaito.sh/v1alpha1
kind: Workspace
metadata: {name: )" +
         name + R"(}
resource: {labelSelector: {matchLabels: {app: a}}}
tuning:
  preset: {name: smollm2-135m-instruct}
  method: qlora
)" + more +
         R"(  input: {urls: [")" + url + R"("]}
  output: {image: "registry.example.org/a:1", imagePushSecret: push}
)";
}

}  // namespace tunesmith::cli
