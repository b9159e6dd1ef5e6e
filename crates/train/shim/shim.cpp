// Functions of libtorch that tch 0.26 lacks. A tensor is the `at::Tensor*` of torch-sys.

#include "guarded.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <dlfcn.h>
#include <malloc.h>
#include <torch/headeronly/version.h>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

using at::Tensor;
using Tensors = std::vector<Tensor>;

namespace {

at::Device device_of(int index) {
  return index < 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}

// The gradients of those parameters that have a gradient.
Tensors gradients(Tensor* const* parameters, size_t n) {
  Tensors found;
  for (size_t i = 0; i < n; i++) {
    const Tensor& gradient = parameters[i]->grad();
    if (gradient.defined()) found.push_back(gradient);
  }
  return found;
}

// `gradient` in the memory layout of `parameter`, because the fused kernel reads both as flat arrays.
Tensor in_layout_of(const Tensor& parameter, const Tensor& gradient) {
  if (parameter.strides() == gradient.strides()) return gradient;
  return at::empty_like(parameter).copy_(gradient);
}

}  // namespace

extern "C" {

void mflag_free(char* message) { std::free(message); }

const char* mflag_libtorch_version() { return TORCH_VERSION; }

// Loads libtorch_cuda.so into a binary that was linked without it. `*found` is 0 if the file is
// missing or cannot be loaded.
char* mflag_load_cuda(int* found) {
  return guarded([&] { *found = dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_GLOBAL) != nullptr; });
}

// Keeps freed memory in the process. Each step allocates the same tensors again; memory returned to
// the system would have to be requested, and zeroed, at each step.
char* mflag_keep_memory() {
  return guarded([] {
#ifdef __GLIBC__
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, -1);
    mallopt(M_TOP_PAD, 64 << 20);
#endif
  });
}

// Returns freed memory to the system, that of all threads.
char* mflag_return_memory() {
  return guarded([] {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
  });
}

// Creates a CUDA stream on a device. The device computes on another stream.
char* mflag_new_stream(int device, int64_t* stream) {
  return guarded([&] {
    const auto target = device_of(device);
    *stream = c10::impl::VirtualGuardImpl(target.type()).getStreamFromGlobalPool(target).id();
  });
}

// Copies a host tensor to a device, on a stream from mflag_new_stream. The host waits only until
// the values are in pinned memory; the next computation on the device waits for the copy.
char* mflag_upload(const Tensor* host, int device, int64_t stream, Tensor** copy) {
  return guarded([&] {
    const auto target = device_of(device);
    const c10::impl::VirtualGuardImpl streams(target.type());
    const auto computing = streams.getStream(target);
    const auto copying = c10::Stream(c10::Stream::UNSAFE, target, stream);
    const Tensor pinned = host->pin_memory();
    Tensor uploaded;
    c10::Event done(target.type());
    {
      const c10::StreamGuard over(copying);
      uploaded = pinned.to(target, /*non_blocking=*/true);
      done.record(copying);
    }
    done.block(computing);
    streams.recordDataPtrOnStream(uploaded.storage().data_ptr(), computing);
    *copy = new Tensor(uploaded);
  });
}

// Switches autocast on or off for the CPU or for CUDA, and returns the previous settings. `dtype`
// is a c10::ScalarType.
char* mflag_autocast_enter(int cuda, int enabled, int dtype, int* was_enabled, int* was_dtype) {
  return guarded([&] {
    const auto type = cuda ? at::kCUDA : at::kCPU;
    *was_enabled = at::autocast::is_autocast_enabled(type);
    *was_dtype = static_cast<int>(at::autocast::get_autocast_dtype(type));
    at::autocast::set_autocast_dtype(type, static_cast<at::ScalarType>(dtype));
    at::autocast::set_autocast_enabled(type, enabled != 0);
    at::autocast::increment_nesting();
  });
}

// Undoes mflag_autocast_enter; the outermost exit frees the cast copies of the weights.
char* mflag_autocast_exit(int cuda, int was_enabled, int was_dtype) {
  return guarded([&] {
    const auto type = cuda ? at::kCUDA : at::kCPU;
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(type, was_enabled != 0);
    at::autocast::set_autocast_dtype(type, static_cast<at::ScalarType>(was_dtype));
  });
}

// Rewrites the storage of a 4-d tensor in channels-last order, in place.
char* mflag_channels_last(Tensor* tensor) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    tensor->set_data(tensor->contiguous(at::MemoryFormat::ChannelsLast));
  });
}

char* mflag_is_channels_last(const Tensor* tensor, int* answer) {
  return guarded([&] { *answer = tensor->is_contiguous(at::MemoryFormat::ChannelsLast); });
}

// Multiplies elements below 0 by `slope`, in place.
char* mflag_leaky_relu(Tensor* tensor, double slope) {
  return guarded([&] { at::leaky_relu_(*tensor, slope); });
}

// One AdamW step over the parameters that have a gradient. If `*skip` (null, or an f32 scalar) is 1,
// nothing changes.
char* mflag_adamw_step(Tensor* const* parameters, Tensor* const* averages, Tensor* const* squares, Tensor* const* steps,
                       size_t n, double lr, double beta1, double beta2, double weight_decay, double eps,
                       const Tensor* skip) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    Tensors p, g, m, v, s;
    for (size_t i = 0; i < n; i++) {
      const Tensor& gradient = parameters[i]->grad();
      if (!gradient.defined()) continue;
      p.push_back(*parameters[i]);
      g.push_back(in_layout_of(*parameters[i], gradient));
      m.push_back(*averages[i]);
      v.push_back(*squares[i]);
      s.push_back(*steps[i]);
    }
    if (p.empty()) return;
    at::_foreach_add_(s, 1);
    const auto found = skip ? std::optional<Tensor>(*skip) : std::nullopt;
    at::_fused_adamw_(p, g, m, v, {}, s, lr, beta1, beta2, weight_decay, eps, false, false, std::nullopt, found);
    if (skip) at::_foreach_sub_(s, Tensors(s.size(), *skip));
  });
}

// Writes the 2-norm of all gradients together to `*norm`, a new tensor on the device of the first
// gradient.
char* mflag_gradient_norm(Tensor* const* parameters, size_t n, Tensor** norm) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    const Tensors g = gradients(parameters, n);
    TORCH_CHECK(!g.empty(), "no parameter has a gradient: the loss depends on none of them");
    *norm = new Tensor(at::linalg_vector_norm(at::stack(at::_foreach_norm(g)), 2));
  });
}

char* mflag_scale_gradients(Tensor* const* parameters, size_t n, const Tensor* factor) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    const Tensors g = gradients(parameters, n);
    if (!g.empty()) at::_foreach_mul_(g, *factor);
  });
}

// Multiplies every gradient by `*inverse_scale`. Sets `*overflow` to 1 if a gradient is not finite.
char* mflag_unscale_gradients(Tensor* const* parameters, size_t n, Tensor* overflow,
                              const Tensor* inverse_scale) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    const Tensors g = gradients(parameters, n);
    if (!g.empty()) at::_amp_foreach_non_finite_check_and_unscale_(g, *overflow, *inverse_scale);
  });
}

char* mflag_drop_gradients(Tensor* const* parameters, size_t n) {
  return guarded([&] {
    for (size_t i = 0; i < n; i++) parameters[i]->mutable_grad().reset();
  });
}

// Writes the state of a device's default random generator to `*state`, a new u8 tensor. Device -1
// is the CPU.
char* mflag_generator_state(int device, Tensor** state) {
  return guarded([&] {
    auto generator = at::globalContext().defaultGenerator(device_of(device));
    std::lock_guard<std::mutex> lock(generator.mutex());
    *state = new Tensor(generator.get_state());
  });
}

char* mflag_set_generator_state(int device, const Tensor* state) {
  return guarded([&] {
    auto generator = at::globalContext().defaultGenerator(device_of(device));
    std::lock_guard<std::mutex> lock(generator.mutex());
    generator.set_state(*state);
  });
}

// Switches three settings on or off: deterministic kernels (an operation without a deterministic
// kernel fails), cuDNN's benchmark mode, and TF32 for f32 products.
char* mflag_set_kernels(int deterministic, int benchmark, int tf32) {
  return guarded([&] {
    // cuBLAS reads this once, at its first use. A value that the user has set remains.
    if (deterministic) setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
    auto& context = at::globalContext();
    context.setDeterministicAlgorithms(deterministic != 0, false);
    context.setDeterministicCuDNN(deterministic != 0);
    context.setBenchmarkCuDNN(benchmark != 0);
    context.setAllowTF32CuBLAS(tf32 != 0);
    context.setAllowTF32CuDNN(tf32 != 0);
  });
}

char* mflag_kernels(int* deterministic, int* benchmark, int* tf32) {
  return guarded([&] {
    const auto& context = at::globalContext();
    *deterministic = context.deterministicAlgorithms();
    *benchmark = context.benchmarkCuDNN();
    *tf32 = context.allowTF32CuBLAS();
  });
}

}  // extern "C"
