// Several processes as one: the store, the collectives and the gradient buckets of PyTorch's
// distributed engine (c10d), with the gradients that c10d's collectives lack.
//
// The gradients belong to the objective Σ_r L_r, where L_r is the loss of rank r. The reducer divides
// by the number of ranks, so that the weights get the gradient of the mean of all L_r.

#include "guarded.h"

#include <ATen/ATen.h>
#include <c10/util/Logging.h>
#include <cstdlib>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>
#include <thread>

using at::Tensor;
using c10::intrusive_ptr;
using std::chrono::milliseconds;
using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

namespace {

struct Group : torch::CustomClassHolder {
  // Both are null once the group is closed.
  intrusive_ptr<c10d::ProcessGroup> processes;
  intrusive_ptr<c10d::Backend> backend;
  int64_t rank = 0;
  int64_t ranks = 1;

  c10d::Backend& open() const {
    TORCH_CHECK(backend, "the ranks are no longer connected");
    return *backend;
  }
};

using Store = intrusive_ptr<c10d::Store>;
using Handle = intrusive_ptr<Group>;

// A second owner of the group that Rust owns.
Handle share(Group* group) { return Handle::reclaim_copy(group); }

Handle group_of(AutogradContext* ctx) {
  return c10::static_intrusive_pointer_cast<Group>(ctx->saved_data["group"].toCapsule());
}

void keep(AutogradContext* ctx, const Handle& group) {
  ctx->saved_data["group"] = c10::IValue::make_capsule(group);
}

Tensor reduced(const Group& group, const Tensor& x, c10d::ReduceOp::RedOpType op = c10d::ReduceOp::SUM) {
  std::vector<Tensor> one{x.detach().clone(at::MemoryFormat::Contiguous)};
  c10d::AllreduceOptions options;
  options.reduceOp = op;
  group.open().allreduce(one, options)->wait();
  return one[0];
}

// The `x` of all ranks, in a new first dimension.
Tensor gathered(const Group& group, const Tensor& x) {
  std::vector<Tensor> mine{x.detach().contiguous()};
  std::vector<std::vector<Tensor>> all(1);
  for (int64_t i = 0; i < group.ranks; i++) all[0].push_back(at::empty_like(mine[0]));
  group.open().allgather(all, mine)->wait();
  return at::stack(all[0]);
}

// Σ_r ∂L_r/∂y. If all ranks compute the same from y, then each term is the same, and no
// communication is needed.
Tensor gradient_of_all(const Group& group, const Tensor& gradient, bool same) {
  return same ? gradient * group.ranks : reduced(group, gradient);
}

struct Sum : torch::autograd::Function<Sum> {
  static Variable forward(AutogradContext* ctx, const Variable& x, const Handle& group, bool same) {
    keep(ctx, group);
    ctx->saved_data["same"] = same;
    return reduced(*group, x);
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    return {gradient_of_all(*group_of(ctx), gradients[0], ctx->saved_data["same"].toBool()), {}, {}};
  }
};

struct Gather : torch::autograd::Function<Gather> {
  static Variable forward(AutogradContext* ctx, const Variable& x, const Handle& group, bool same) {
    keep(ctx, group);
    ctx->saved_data["same"] = same;
    return gathered(*group, x).flatten(0, 1);
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    const auto group = group_of(ctx);
    const int64_t rows = gradients[0].size(0) / group->ranks;
    const bool same = ctx->saved_data["same"].toBool();
    const auto mine = [&](const Tensor& all) { return all.narrow(0, group->rank * rows, rows); };
    if (same) return {gradient_of_all(*group, mine(gradients[0]), true), {}, {}};
    return {mine(gradient_of_all(*group, gradients[0], false)), {}, {}};
  }
};

Tensor normalised(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                  const Tensor& variance, double epsilon) {
  return std::get<0>(at::native_batch_norm(x, weight, bias, mean, variance, false, 0, epsilon));
}

// BatchNorm by mean and biased variance over the batches of all ranks, which have the same size.
struct SyncBatchNorm : torch::autograd::Function<SyncBatchNorm> {
  static Variable forward(AutogradContext* ctx, const Variable& x, const Variable& weight,
                          const Variable& bias, Tensor running_mean, Tensor running_variance,
                          const Handle& group, double momentum, double epsilon) {
    const int64_t channels = x.size(1);
    // libtorch computes statistics of half precision in f32 only if it is given f32 buffers.
    Tensor no_mean = at::zeros_like(running_mean), no_variance = at::ones_like(running_variance);
    const auto [local_mean, local_variance] = at::batch_norm_update_stats(x, no_mean, no_variance, 0);
    const Tensor all = gathered(*group, at::stack({local_mean, local_variance}));
    const Tensor means = all.select(1, 0), variances = all.select(1, 1);
    const Tensor mean = means.mean(0);
    const Tensor variance = (variances + (means - mean).square()).mean(0);
    const double n = static_cast<double>(x.numel() / channels * group->ranks);
    running_mean.mul_(1 - momentum).add_(mean, momentum);
    running_variance.mul_(1 - momentum).add_(variance, momentum * n / (n - 1));
    keep(ctx, group);
    ctx->saved_data["epsilon"] = epsilon;
    ctx->save_for_backward({x, weight, mean, variance});
    return normalised(x, weight, bias, mean, variance, epsilon);
  }

  static variable_list backward(AutogradContext* ctx, variable_list gradients) {
    const auto group = group_of(ctx);
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &mean = saved[2], &variance = saved[3];
    const double epsilon = ctx->saved_data["epsilon"].toDouble();
    // As if mean and variance did not depend on x. `by_weight` is Σ g·x̂ and `by_bias` is Σ g.
    auto [by_x, by_weight, by_bias] = at::native_batch_norm_backward(
        gradients[0], x, weight, mean, variance, {}, {}, false, epsilon, {true, true, true});
    // With them: w/σ · (g − mean(g) − x̂ · mean(g·x̂)), with the means over all ranks.
    const double n = static_cast<double>(x.numel() / x.size(1) * group->ranks);
    const Tensor scale = weight * (variance + epsilon).rsqrt() / -n;
    const Tensor sums = reduced(*group, at::stack({by_weight, by_bias})) * scale;
    by_x = by_x + normalised(x, sums[0], sums[1], mean, variance, epsilon);
    return {by_x, by_weight, by_bias, {}, {}, {}, {}, {}};
  }
};

// Switches off libtorch's warnings, unless the user has chosen a level. It would warn, with traces of
// the stack, of each lost connection, which we report in our own words; and of strides of 1×1 kernels,
// which it lists in another way for gradients than for weights although they mean the same.
void mute_warnings() {
  if (!std::getenv("TORCH_CPP_LOG_LEVEL")) FLAGS_caffe2_log_level = 2;
}

}  // namespace

extern "C" {

// Connects to the store at `host`:`port`, or serves it there. All keys begin with `prefix`.
char* mflag_store_open(const char* host, uint16_t port, int serve, const char* prefix, int64_t timeout_ms,
                       Store** store) {
  return guarded([&] {
    mute_warnings();
    c10d::TCPStoreOptions options;
    options.port = port;
    options.isServer = serve != 0;
    options.waitWorkers = false;
    options.timeout = milliseconds(timeout_ms);
    auto tcp = c10::make_intrusive<c10d::TCPStore>(host, options);
    *store = new Store(c10::make_intrusive<c10d::PrefixStore>(prefix, std::move(tcp)));
  });
}

char* mflag_store_set(Store* store, const char* key, const uint8_t* value, size_t n) {
  return guarded([&] { (*store)->set(key, std::vector<uint8_t>(value, value + n)); });
}

// Sets `*found` to 1 if the store has the key.
char* mflag_store_has(Store* store, const char* key, int* found) {
  return guarded([&] { *found = (*store)->check({key}); });
}

// Writes the value of a key, which the store must have, to a new u8 tensor.
char* mflag_store_get(Store* store, const char* key, Tensor** value) {
  return guarded([&] {
    const auto bytes = (*store)->get(key);
    Tensor copy = at::empty({static_cast<int64_t>(bytes.size())}, at::kByte);
    std::copy(bytes.begin(), bytes.end(), copy.data_ptr<uint8_t>());
    *value = new Tensor(copy);
  });
}

// Connects the ranks with each other. A rank listens at the address `address`, or, if that is null,
// at the network interface `interface`.
char* mflag_group_connect(Store* store, int rank, int ranks, const char* address, const char* interface,
                          int64_t timeout_ms, Group** group) {
  return guarded([&] {
    using c10d::ProcessGroup;
    using c10d::ProcessGroupGloo;
    auto options = ProcessGroupGloo::Options::create(milliseconds(timeout_ms));
    options->devices.push_back(address ? ProcessGroupGloo::createDeviceForHostname(address)
                                       : ProcessGroupGloo::createDeviceForInterface(interface));
    auto made = c10::make_intrusive<Group>();
    made->backend = c10::make_intrusive<ProcessGroupGloo>(*store, rank, ranks, options);
    made->processes = c10::make_intrusive<ProcessGroup>(*store, rank, ranks);
    made->processes->setBackend(at::kCPU, ProcessGroup::BackendType::GLOO, made->backend);
    made->processes->setDefaultBackend(ProcessGroup::BackendType::GLOO);
    made->rank = rank;
    made->ranks = ranks;
    *group = made.release();
  });
}

// Closes the connections to the other ranks, which then notice that this one fails. Does not wait:
// an operation that a lost rank does not end would keep the connections until its time is over.
char* mflag_group_close(Group* group) {
  return guarded([&] {
    auto close = [processes = std::move(group->processes), backend = std::move(group->backend)]() mutable {
      processes.reset();
      backend.reset();
    };
    std::thread(std::move(close)).detach();
  });
}

// The sum of `x` over all ranks, a new tensor. If `same` is 1, all ranks must compute the same from
// it: the backward pass then needs no communication.
char* mflag_sum(Group* group, const Tensor* x, int same, Tensor** sum) {
  return guarded([&] { *sum = new Tensor(Sum::apply(*x, share(group), same != 0)); });
}

// The rows of `x` on rank 0, then those on rank 1, and so on. `same` as in mflag_sum.
char* mflag_gather(Group* group, const Tensor* x, int same, Tensor** rows) {
  return guarded([&] { *rows = new Tensor(Gather::apply(*x, share(group), same != 0)); });
}

// Replaces `x` by that of rank 0.
char* mflag_broadcast(Group* group, Tensor* x) {
  return guarded([&] {
    at::NoGradGuard no_grad;
    std::vector<Tensor> one{x->detach().contiguous()};
    group->open().broadcast(one)->wait();
    if (!one[0].is_same(*x)) x->copy_(one[0]);
  });
}

// Waits until all ranks are here, for at most this time.
char* mflag_barrier(Group* group, int64_t timeout_ms) {
  return guarded([&] {
    c10d::BarrierOptions options;
    options.timeout = milliseconds(timeout_ms);
    group->open().barrier(options)->wait();
  });
}

// BatchNorm in training mode over the batches of all ranks. `weight` and `bias` must be defined.
char* mflag_sync_batch_norm(Group* group, const Tensor* x, const Tensor* weight, const Tensor* bias,
                            const Tensor* running_mean, const Tensor* running_variance, double momentum,
                            double epsilon, Tensor** y) {
  return guarded([&] {
    *y = new Tensor(SyncBatchNorm::apply(*x, *weight, *bias, *running_mean, *running_variance, share(group),
                                         momentum, epsilon));
  });
}

// Averages gradients in buckets during the backward pass, beginning with the last parameter. The order of
// the buckets is fixed here: by default it would be that of the first backward pass, so that the first
// step of a resumed run would sum in another order.
char* mflag_reducer_new(Group* group, Tensor* const* parameters, size_t n, c10d::Reducer** reducer) {
  return guarded([&] {
    std::vector<Tensor> reversed;
    for (size_t i = n; i > 0; i--) reversed.push_back(*parameters[i - 1]);
    group->open();
    const std::vector<size_t> sizes{c10d::kDefaultFirstBucketBytes, c10d::kDefaultBucketBytesCap};
    const auto [buckets, limits] = c10d::compute_bucket_assignment_by_size(reversed, sizes);
    auto made = std::make_unique<c10d::Reducer>(
        reversed, buckets, group->processes, std::vector<bool>(n, false), c10d::kDefaultBucketBytesCap, false,
        false, std::unordered_map<size_t, std::string>{}, c10d::kDefaultFirstBucketBytes, false, false,
        std::vector<int64_t>{});
    made->push_rebuilt_params_for_all_indices();
    made->rebuild_buckets();
    *reducer = made.release();
  });
}

// Lets the next backward pass average the gradients over all ranks.
char* mflag_reducer_prepare(c10d::Reducer* reducer) {
  return guarded([&] { reducer->prepare_for_backward({}); });
}

void mflag_reducer_free(c10d::Reducer* reducer) {
  char* message = guarded([&] { delete reducer; });
  free(message);
}

}  // extern "C"
