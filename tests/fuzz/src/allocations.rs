//! Counts the memory that each thread allocates.
#![allow(unsafe_code, reason = "an allocator has no safe interface")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// A single allocation of more bytes fails, which ends the process: it would take the machine's
/// memory before [`peak`] is compared with a limit.
const LARGEST: usize = 8 << 30;

thread_local! {
    /// Bytes that this thread has allocated and not freed, since [`start`].
    static LIVE: Cell<isize> = const { Cell::new(0) };
    /// The most of them at once.
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, with the counts. Memory of C and C++ libraries is not counted.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: all calls go to the system's allocator with their arguments unchanged. The counts are
// cells of the thread, and counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST {
            return std::ptr::null_mut();
        }
        count(layout.size() as isize);
        // SAFETY: as this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as this function.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.size() > LARGEST {
            return std::ptr::null_mut();
        }
        count(layout.size() as isize);
        // SAFETY: as this function.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > LARGEST {
            return std::ptr::null_mut();
        }
        count(size as isize - layout.size() as isize);
        // SAFETY: as this function.
        unsafe { System.realloc(memory, layout, size) }
    }
}

fn count(bytes: isize) {
    // A thread that ends has no counts any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

/// Starts the counts of this thread again.
pub(crate) fn start() {
    LIVE.set(0);
    PEAK.set(0);
}

/// The most bytes that this thread held at once since [`start`].
pub(crate) fn peak() -> u64 {
    PEAK.get().unsigned_abs() as u64
}
