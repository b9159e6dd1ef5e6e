//! Safe wrappers of the C++ functions in `shim/`, the only unsafe code of this crate.
#![allow(unsafe_code, reason = "calls of C++ functions")]

pub(crate) mod c10d;

use crate::error::{Error, Result};
use std::ffi::{CStr, c_char, c_int};
use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

type Handles = *const *const C_tensor;

unsafe extern "C" {
    fn mflag_free(message: *mut c_char);
    fn mflag_libtorch_version() -> *const c_char;
    fn mflag_load_cuda(found: *mut c_int) -> *mut c_char;
    fn mflag_keep_memory() -> *mut c_char;
    fn mflag_return_memory() -> *mut c_char;
    fn mflag_new_stream(device: c_int, stream: *mut i64) -> *mut c_char;
    fn mflag_upload(
        host: *const C_tensor,
        device: c_int,
        stream: i64,
        copy: *mut *mut C_tensor,
    ) -> *mut c_char;
    fn mflag_autocast_enter(
        cuda: c_int,
        enabled: c_int,
        dtype: c_int,
        was_enabled: *mut c_int,
        was_dtype: *mut c_int,
    ) -> *mut c_char;
    fn mflag_autocast_exit(cuda: c_int, was_enabled: c_int, was_dtype: c_int) -> *mut c_char;
    fn mflag_channels_last(tensor: *const C_tensor) -> *mut c_char;
    fn mflag_is_channels_last(tensor: *const C_tensor, answer: *mut c_int) -> *mut c_char;
    fn mflag_leaky_relu(tensor: *const C_tensor, slope: f64) -> *mut c_char;
    fn mflag_adamw_step(
        parameters: Handles,
        averages: Handles,
        squares: Handles,
        steps: Handles,
        n: usize,
        lr: f64,
        beta1: f64,
        beta2: f64,
        weight_decay: f64,
        eps: f64,
        skip: *const C_tensor,
    ) -> *mut c_char;
    fn mflag_gradient_norm(parameters: Handles, n: usize, norm: *mut *mut C_tensor) -> *mut c_char;
    fn mflag_scale_gradients(parameters: Handles, n: usize, factor: *const C_tensor)
    -> *mut c_char;
    fn mflag_unscale_gradients(
        parameters: Handles,
        n: usize,
        overflow: *const C_tensor,
        inverse_scale: *const C_tensor,
    ) -> *mut c_char;
    fn mflag_drop_gradients(parameters: Handles, n: usize) -> *mut c_char;
    fn mflag_generator_state(device: c_int, state: *mut *mut C_tensor) -> *mut c_char;
    fn mflag_set_generator_state(device: c_int, state: *const C_tensor) -> *mut c_char;
    fn mflag_set_kernels(deterministic: c_int, benchmark: c_int, tf32: c_int) -> *mut c_char;
    fn mflag_kernels(
        deterministic: *mut c_int,
        benchmark: *mut c_int,
        tf32: *mut c_int,
    ) -> *mut c_char;
}

/// Turns the error message of a call, if any, into an error.
fn checked(message: *mut c_char) -> Result<()> {
    if message.is_null() {
        return Ok(());
    }
    // SAFETY: a message that is not null is a NUL-terminated string from strdup, which we own and
    // free once.
    let text = unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        mflag_free(message);
        text
    };
    Err(Error::Libtorch(text))
}

fn handles<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Vec<*const C_tensor> {
    tensors.into_iter().map(Tensor::as_ptr).collect()
}

fn device_index(device: Device) -> c_int {
    match device {
        Device::Cuda(index) => c_int::try_from(index).unwrap_or(c_int::MAX),
        _ => -1,
    }
}

/// The version of the libtorch that this program was compiled against.
#[must_use]
pub fn libtorch_version() -> String {
    // SAFETY: a string literal.
    unsafe { CStr::from_ptr(mflag_libtorch_version()) }
        .to_string_lossy()
        .into_owned()
}

/// Loads `libtorch_cuda.so` into a program that was linked without it. Returns false if the file is
/// missing or cannot be loaded.
///
/// # Errors
/// If loading throws a C++ exception.
pub fn load_cuda() -> Result<bool> {
    let mut found = 0;
    // SAFETY: `found` outlives the call.
    checked(unsafe { mflag_load_cuda(&raw mut found) })?;
    Ok(found != 0)
}

/// Keeps freed memory in the process for later tensors, instead of returning it to the system at
/// each step.
pub(crate) fn keep_memory() -> Result<()> {
    // SAFETY: only changes settings of the allocator.
    checked(unsafe { mflag_keep_memory() })
}

/// Returns freed memory to the system, for programs that rest between bursts of work.
///
/// # Errors
/// If the call throws a C++ exception.
pub fn return_memory() -> Result<()> {
    // SAFETY: only returns memory that nothing uses.
    checked(unsafe { mflag_return_memory() })
}

/// Creates a CUDA stream on `device`, which computes on another stream.
pub(crate) fn new_stream(device: Device) -> Result<i64> {
    let mut stream = 0;
    // SAFETY: `stream` outlives the call.
    checked(unsafe { mflag_new_stream(device_index(device), &raw mut stream) })?;
    Ok(stream)
}

/// Copies `host` to `device` on a stream from [`new_stream`]. The next computation on `device`
/// waits for the copy; the host waits only until the values are in pinned memory.
pub(crate) fn upload(host: &Tensor, device: Device, stream: i64) -> Result<Tensor> {
    let mut copy = std::ptr::null_mut();
    // SAFETY: a live handle; on success `copy` is a new at::Tensor, which tch's Tensor owns.
    unsafe {
        let outcome = mflag_upload(host.as_ptr(), device_index(device), stream, &raw mut copy);
        checked(outcome)?;
        Ok(Tensor::from_ptr(copy))
    }
}

/// A region in which autocast of one device type is on or off. It ends when this value is dropped;
/// regions nest.
///
/// Autocast is a setting of the thread, so the value is not `Send`.
#[derive(Debug)]
pub struct Autocast {
    cuda: c_int,
    was_enabled: c_int,
    was_dtype: c_int,
    thread: std::marker::PhantomData<*const ()>,
}

impl Autocast {
    /// Begins a region in which eligible operations run in float16 if `kind` is `Half`, and in
    /// bfloat16 for any other kind. `None`: autocast is off.
    ///
    /// # Errors
    /// If libtorch cannot autocast to `kind` on `device`.
    pub fn enter(device: Device, kind: Option<Kind>) -> Result<Autocast> {
        let cuda = c_int::from(device.is_cuda());
        let (mut was_enabled, mut was_dtype) = (0, 0);
        // Numbers of c10::ScalarType, which tch does not export.
        let dtype = if kind == Some(Kind::Half) { 5 } else { 15 };
        // SAFETY: both references outlive the call, and `dtype` is a valid ScalarType.
        checked(unsafe {
            mflag_autocast_enter(
                cuda,
                c_int::from(kind.is_some()),
                dtype,
                &raw mut was_enabled,
                &raw mut was_dtype,
            )
        })?;
        Ok(Autocast {
            cuda,
            was_enabled,
            was_dtype,
            thread: std::marker::PhantomData,
        })
    }
}

impl Drop for Autocast {
    fn drop(&mut self) {
        // SAFETY: restores what `enter` found, on the same thread (the type is not Send).
        let outcome =
            checked(unsafe { mflag_autocast_exit(self.cuda, self.was_enabled, self.was_dtype) });
        if let Err(error) = outcome {
            tracing::error!("leaving autocast: {error}");
        }
    }
}

/// Rewrites the storage of a tensor `[N, C, H, W]` in channels-last order, in place.
///
/// # Errors
/// If the tensor does not have four dimensions.
pub fn channels_last(tensor: &Tensor) -> Result<()> {
    // SAFETY: the handle is a live at::Tensor for the whole call.
    checked(unsafe { mflag_channels_last(tensor.as_ptr()) })
}

/// Whether a tensor's storage is in channels-last order.
///
/// # Errors
/// If the tensor is undefined.
pub fn is_channels_last(tensor: &Tensor) -> Result<bool> {
    let mut answer = 0;
    // SAFETY: the handle is live and `answer` outlives the call.
    checked(unsafe { mflag_is_channels_last(tensor.as_ptr(), &raw mut answer) })?;
    Ok(answer != 0)
}

/// Multiplies values below 0 by `slope`, in place and with gradients. The function of tch supports
/// only the slope 0.01.
///
/// # Errors
/// If autograd needs the values that are overwritten.
pub fn leaky_relu(tensor: &Tensor, slope: f64) -> Result<()> {
    // SAFETY: the handle is a live at::Tensor for the whole call.
    checked(unsafe { mflag_leaky_relu(tensor.as_ptr(), slope) })
}

/// The numbers that an AdamW step needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamWStep {
    pub(crate) lr: f64,
    pub(crate) betas: (f64, f64),
    pub(crate) weight_decay: f64,
    pub(crate) eps: f64,
}

/// One fused AdamW step over the `parameters` that have a gradient. If `skip`, an f32 scalar on the
/// device, is 1, nothing changes. Does not wait for the device.
pub(crate) fn adamw_step(
    parameters: &[&Tensor],
    averages: &[&Tensor],
    squares: &[&Tensor],
    steps: &[&Tensor],
    step: AdamWStep,
    skip: Option<&Tensor>,
) -> Result<()> {
    let n = parameters.len();
    debug_assert!(averages.len() == n && squares.len() == n && steps.len() == n);
    let [p, m, v, s] =
        [parameters, averages, squares, steps].map(|list| handles(list.iter().copied()));
    // SAFETY: four lists of n live handles; `skip` may be null.
    checked(unsafe {
        mflag_adamw_step(
            p.as_ptr(),
            m.as_ptr(),
            v.as_ptr(),
            s.as_ptr(),
            n,
            step.lr,
            step.betas.0,
            step.betas.1,
            step.weight_decay,
            step.eps,
            skip.map_or(std::ptr::null(), Tensor::as_ptr),
        )
    })
}

/// The 2-norm of all gradients together: a scalar on their device.
pub(crate) fn gradient_norm(parameters: &[&Tensor]) -> Result<Tensor> {
    let list = handles(parameters.iter().copied());
    let mut norm = std::ptr::null_mut();
    // SAFETY: a list of live handles; on success `norm` is a new at::Tensor, which tch's Tensor
    // owns.
    unsafe {
        checked(mflag_gradient_norm(
            list.as_ptr(),
            list.len(),
            &raw mut norm,
        ))?;
        Ok(Tensor::from_ptr(norm))
    }
}

/// Multiplies every gradient by a scalar on the device.
pub(crate) fn scale_gradients(parameters: &[&Tensor], factor: &Tensor) -> Result<()> {
    let list = handles(parameters.iter().copied());
    // SAFETY: a list of live handles and a live factor.
    checked(unsafe { mflag_scale_gradients(list.as_ptr(), list.len(), factor.as_ptr()) })
}

/// Multiplies every gradient by `inverse_scale`. Sets `overflow` (f32 scalar) to 1 if a gradient is
/// not finite.
pub(crate) fn unscale_gradients(
    parameters: &[&Tensor],
    overflow: &Tensor,
    inverse_scale: &Tensor,
) -> Result<()> {
    let list = handles(parameters.iter().copied());
    // SAFETY: a list of live handles and two live scalars; `overflow` is written in place.
    checked(unsafe {
        mflag_unscale_gradients(
            list.as_ptr(),
            list.len(),
            overflow.as_ptr(),
            inverse_scale.as_ptr(),
        )
    })
}

/// Frees every gradient.
pub(crate) fn drop_gradients(parameters: &[&Tensor]) -> Result<()> {
    let list = handles(parameters.iter().copied());
    // SAFETY: a list of live handles.
    checked(unsafe { mflag_drop_gradients(list.as_ptr(), list.len()) })
}

/// The state of libtorch's default generator of a device: opaque u8 values.
///
/// # Errors
/// If the device does not exist.
pub fn generator_state(device: Device) -> Result<Tensor> {
    let mut state = std::ptr::null_mut();
    // SAFETY: on success `state` is a new at::Tensor, which tch's Tensor owns.
    unsafe {
        checked(mflag_generator_state(device_index(device), &raw mut state))?;
        Ok(Tensor::from_ptr(state))
    }
}

/// Restores a state that [`generator_state`] returned.
///
/// # Errors
/// If the state belongs to another kind of generator.
pub fn set_generator_state(device: Device, state: &Tensor) -> Result<()> {
    // SAFETY: a live handle.
    checked(unsafe { mflag_set_generator_state(device_index(device), state.as_ptr()) })
}

/// Which kernels libtorch may choose, in the whole process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernels {
    /// Use only kernels that repeat bit for bit. An operation without such a kernel fails.
    pub deterministic: bool,
    /// Let cuDNN time its algorithms for each new shape and use the fastest.
    pub benchmark: bool,
    /// Allow TF32 for f32 products and convolutions on CUDA.
    pub tf32: bool,
}

impl Kernels {
    /// Applies the choice.
    ///
    /// # Errors
    /// If libtorch refuses a setting.
    pub fn set(self) -> Result<()> {
        let flags = [self.deterministic, self.benchmark, self.tf32].map(c_int::from);
        // SAFETY: passes only integers.
        checked(unsafe { mflag_set_kernels(flags[0], flags[1], flags[2]) })
    }

    /// The current choice.
    ///
    /// # Errors
    /// If libtorch cannot read a setting.
    pub fn get() -> Result<Kernels> {
        let (mut deterministic, mut benchmark, mut tf32) = (0, 0, 0);
        // SAFETY: the three references outlive the call.
        checked(unsafe {
            mflag_kernels(&raw mut deterministic, &raw mut benchmark, &raw mut tf32)
        })?;
        Ok(Kernels {
            deterministic: deterministic != 0,
            benchmark: benchmark != 0,
            tf32: tf32 != 0,
        })
    }
}
