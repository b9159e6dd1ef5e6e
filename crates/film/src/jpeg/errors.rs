//! Turns errors and warnings of libjpeg into errors of this crate.
//!
//! libjpeg reports both through a table of functions. The functions of this module unwind the
//! stack, as a panic does, up to [`catch_refusal`]. Warnings count as errors where libjpeg would
//! fill up a damaged film with grey.

#![allow(unsafe_code, reason = "libjpeg is written in C")]

use std::os::raw::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mozjpeg_sys::{
    JWRN_HIT_MARKER, JWRN_HUFF_BAD_CODE, JWRN_JPEG_EOF, JWRN_MUST_RESYNC, jpeg_common_struct,
    jpeg_error_mgr, jpeg_std_error,
};

/// Warnings after which libjpeg invents a part of the picture.
const DAMAGE: [i32; 4] = [
    JWRN_HIT_MARKER,
    JWRN_HUFF_BAD_CODE,
    JWRN_JPEG_EOF,
    JWRN_MUST_RESYNC,
];

/// The error of libjpeg, as the payload of the unwinding.
struct Refusal {
    message: String,
    code: c_int,
}

/// Runs `decode`. If libjpeg reports an error, returns the reason.
pub(super) fn catch_refusal<T>(decode: impl FnOnce() -> std::io::Result<T>) -> Result<T, String> {
    let reason = |why: &dyn std::fmt::Display| format!("its JPEG cannot be decoded: {why}");
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(result) => result.map_err(|e| reason(&e)),
        Err(payload) => match payload.downcast::<Refusal>() {
            Ok(refusal) if refusal.code == JWRN_JPEG_EOF => {
                Err("is cut short: the end of the JPEG is missing".into())
            }
            Ok(refusal) => Err(reason(&refusal.message)),
            Err(other) => resume_unwind(other),
        },
    }
}

/// An error manager that unwinds at errors and at the warnings of [`DAMAGE`].
pub(super) fn error_manager() -> jpeg_error_mgr {
    // SAFETY: the fields are numbers, pointers and optional functions, for all of which zero is
    // valid, and jpeg_std_error sets every one of them.
    let mut manager = unsafe {
        let mut manager = std::mem::zeroed();
        jpeg_std_error(&mut manager);
        manager
    };
    manager.error_exit = Some(refuse);
    manager.emit_message = Some(refuse_damage);
    manager
}

/// Unwinds without calling the panic hook. libjpeg is compiled so that it can be unwound.
#[cold]
extern "C-unwind" fn refuse(info: &mut jpeg_common_struct) {
    // SAFETY: libjpeg passes the error manager that the decoder owns.
    let code = unsafe { (*info.err).msg_code };
    let message = message(info);
    resume_unwind(Box::new(Refusal { message, code }));
}

extern "C-unwind" fn refuse_damage(info: &mut jpeg_common_struct, level: c_int) {
    // SAFETY: as in `refuse`.
    let code = unsafe { (*info.err).msg_code };
    // Warnings have level -1, all others are traces.
    if level < 0 && DAMAGE.contains(&code) {
        refuse(info);
    }
}

/// libjpeg's message for the last error or warning.
fn message(info: &mut jpeg_common_struct) -> String {
    type Format = unsafe extern "C-unwind" fn(&mut jpeg_common_struct, &mut [u8; 80]);
    let mut text = [0u8; 80];
    // SAFETY: the function writes at most 80 bytes, the last of them zero. Its binding declares the
    // buffer as read-only, unlike the C header; the transmute corrects only that.
    unsafe {
        if let Some(format) = (*info.err).format_message {
            std::mem::transmute::<
                unsafe extern "C-unwind" fn(&mut jpeg_common_struct, &[u8; 80]),
                Format,
            >(format)(info, &mut text);
        }
    }
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(80);
    String::from_utf8_lossy(&text[..end]).into_owned()
}
