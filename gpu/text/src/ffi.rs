//! What crosses the border: slices in, owned buffers out, and no panic.

use std::panic::{catch_unwind, AssertUnwindSafe};
use tokenizers::Encoding;

/// Everything went well; the error string was not written.
const OK: i32 = 0;
/// The call failed; the error string says why.
const FAILED: i32 = 1;

/// A pointer and a number of items from C++; a null pointer is an empty slice.
pub struct Slice<T>(pub *const T, pub usize);

impl<T> Slice<T> {
    /// # Safety
    /// The pointer is null or points at that many items that outlive the use of the result.
    pub unsafe fn items<'a>(self) -> &'a [T] {
        if self.0.is_null() {
            &[]
        } else {
            std::slice::from_raw_parts(self.0, self.1)
        }
    }
}

impl Slice<u8> {
    /// # Safety
    /// As `items`.
    pub unsafe fn bytes<'a>(self) -> &'a [u8] {
        self.items()
    }

    /// # Safety
    /// As `items`.
    pub unsafe fn utf8<'a>(self) -> Result<&'a str, String> {
        std::str::from_utf8(self.items()).map_err(|e| format!("not UTF-8: {e}"))
    }
}

/// Bytes owned by this library until `tsm_string_free`.
#[repr(C)]
pub struct TsmString {
    data: *mut u8,
    size: usize,
}

impl TsmString {
    pub fn empty() -> Self {
        TsmString { data: std::ptr::null_mut(), size: 0 }
    }

    pub fn new(text: String) -> Self {
        let (data, size) = leak(text.into_bytes());
        TsmString { data, size }
    }

    /// # Safety
    /// Made by `new` or `empty`, freed once.
    pub unsafe fn free(self) {
        unleak(self.data, self.size);
    }
}

/// Ids and, when asked for, byte offsets, owned by this library until `tsm_encoding_free`.
#[repr(C)]
pub struct TsmEncoding {
    ids: *mut u32,
    begins: *mut u32,
    ends: *mut u32,
    count: usize,
}

impl TsmEncoding {
    pub fn new(encoding: &Encoding, with_spans: bool) -> Result<Self, String> {
        let mut offsets = (std::ptr::null_mut(), std::ptr::null_mut());
        if with_spans {
            let narrow = |pick: fn(&(usize, usize)) -> usize| -> Result<Vec<u32>, String> {
                let convert = |o| u32::try_from(pick(o)).map_err(|_| "longer than 4 GiB".to_string());
                encoding.get_offsets().iter().map(convert).collect()
            };
            let (begins, ends) = (narrow(|o| o.0)?, narrow(|o| o.1)?);
            offsets = (leak(begins).0, leak(ends).0);
        }
        let (ids, count) = leak(encoding.get_ids().to_vec());
        Ok(TsmEncoding { ids, begins: offsets.0, ends: offsets.1, count })
    }

    /// # Safety
    /// Made by `new`, freed once.
    pub unsafe fn free(self) {
        unleak(self.ids, self.count);
        unleak(self.begins, self.count);
        unleak(self.ends, self.count);
    }
}

fn leak<T>(items: Vec<T>) -> (*mut T, usize) {
    let items = Box::leak(items.into_boxed_slice());
    (items.as_mut_ptr(), items.len())
}

unsafe fn unleak<T>(data: *mut T, size: usize) {
    if !data.is_null() {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(data, size)));
    }
}

/// Runs `body`; an error or a panic becomes FAILED and a message in `error`.
///
/// # Safety
/// `error` points at a writable value.
pub unsafe fn guard<F: FnOnce() -> Result<(), String>>(error: *mut TsmString, body: F) -> i32 {
    let message = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return OK,
        Ok(Err(message)) => message,
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
            format!("internal error: {}", text.unwrap_or_else(|| "panic".to_string()))
        }
    };
    *error = TsmString::new(message);
    FAILED
}
