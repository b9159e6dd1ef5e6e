//! What libjpeg finds wrong, as an error.
//!
//! libjpeg tells errors and warnings through a table of functions. Both unwind here, to where [`caught`] turns them into
//! words: a film that libjpeg would fill up with grey is refused.

#![allow(unsafe_code, reason = "libjpeg is written in C")]

use std::os::raw::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mozjpeg_sys::{
    JWRN_HIT_MARKER, JWRN_HUFF_BAD_CODE, JWRN_JPEG_EOF, JWRN_MUST_RESYNC, jpeg_common_struct,
    jpeg_error_mgr, jpeg_std_error,
};

/// Warnings after which a part of the picture is made up.
const DAMAGE: [i32; 4] = [
    JWRN_HIT_MARKER,
    JWRN_HUFF_BAD_CODE,
    JWRN_JPEG_EOF,
    JWRN_MUST_RESYNC,
];

/// What unwinds.
struct Refusal {
    message: String,
    code: c_int,
}

/// What `decode` returns, or why libjpeg refused.
pub(super) fn caught<T>(decode: impl FnOnce() -> std::io::Result<T>) -> Result<T, String> {
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

/// An error manager by which errors and [`DAMAGE`] unwind.
pub(super) fn manager() -> jpeg_error_mgr {
    // SAFETY: numbers, pointers and absent functions may all be zero, and jpeg_std_error sets every one of them.
    let mut manager = unsafe {
        let mut manager = std::mem::zeroed();
        jpeg_std_error(&mut manager);
        manager
    };
    manager.error_exit = Some(refuse);
    manager.emit_message = Some(warned);
    manager
}

/// libjpeg is compiled to be unwound, and this calls no panic hook.
#[cold]
extern "C-unwind" fn refuse(info: &mut jpeg_common_struct) {
    // SAFETY: libjpeg calls with the manager that the decoder owns.
    let code = unsafe { (*info.err).msg_code };
    let message = message(info);
    resume_unwind(Box::new(Refusal { message, code }));
}

extern "C-unwind" fn warned(info: &mut jpeg_common_struct, level: c_int) {
    // SAFETY: as in `refuse`.
    let code = unsafe { (*info.err).msg_code };
    // Warnings have level -1, the rest are traces.
    if level < 0 && DAMAGE.contains(&code) {
        refuse(info);
    }
}

/// The message that libjpeg has for what just happened.
fn message(info: &mut jpeg_common_struct) -> String {
    type Format = unsafe extern "C-unwind" fn(&mut jpeg_common_struct, &mut [u8; 80]);
    let mut text = [0u8; 80];
    // SAFETY: the function writes at most 80 bytes with a zero at their end. Its binding takes a buffer that is not to be
    // written, which is not so in C: that alone is mended.
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
