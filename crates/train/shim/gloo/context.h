// Gloo's headers are not part of libtorch's packages. ProcessGroupGloo.hpp needs only these names.
#pragma once

#include <chrono>

namespace gloo {
class Context {
 public:
  void setTimeout(std::chrono::milliseconds timeout);
};
}  // namespace gloo
