//! The C ABI of tunesmith_text.h: tokenizer and chat template. Nothing here unwinds into C++.

mod chat_template;
mod ffi;
mod python_compat;

use chat_template::ChatTemplate;
use ffi::{guard, Slice, TsmEncoding, TsmString};
use tokenizers::Tokenizer;

/// Parses a tokenizer.json. Truncation and padding that the file asks for are switched off.
///
/// # Safety
/// `json` points at `size` bytes; `out` and `error` point at writable values.
#[no_mangle]
pub unsafe extern "C" fn tsm_tokenizer_new(
    json: *const u8,
    size: usize,
    out: *mut *mut Tokenizer,
    error: *mut TsmString,
) -> i32 {
    guard(error, || {
        let mut tokenizer =
            Tokenizer::from_bytes(Slice(json, size).bytes()).map_err(|e| e.to_string())?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|e| e.to_string())?;
        *out = Box::into_raw(Box::new(tokenizer));
        Ok(())
    })
}

/// # Safety
/// `tokenizer` comes from `tsm_tokenizer_new` and is not used afterwards.
#[no_mangle]
pub unsafe extern "C" fn tsm_tokenizer_free(tokenizer: *mut Tokenizer) {
    if !tokenizer.is_null() {
        drop(Box::from_raw(tokenizer));
    }
}

/// # Safety
/// `text` points at `size` bytes; `out` and `error` point at writable values.
#[no_mangle]
pub unsafe extern "C" fn tsm_encode(
    tokenizer: *const Tokenizer,
    text: *const u8,
    size: usize,
    add_special_tokens: bool,
    with_spans: bool,
    out: *mut TsmEncoding,
    error: *mut TsmString,
) -> i32 {
    guard(error, || {
        let text = Slice(text, size).utf8()?;
        let encoding = if with_spans {
            (*tokenizer).encode(text, add_special_tokens)
        } else {
            (*tokenizer).encode_fast(text, add_special_tokens)
        }
        .map_err(|e| e.to_string())?;
        *out = TsmEncoding::new(&encoding, with_spans)?;
        Ok(())
    })
}

/// # Safety
/// `encoding` comes from `tsm_encode` and is not used afterwards.
#[no_mangle]
pub unsafe extern "C" fn tsm_encoding_free(encoding: TsmEncoding) {
    encoding.free();
}

/// # Safety
/// `ids` points at `count` ids; `out` and `error` point at writable values.
#[no_mangle]
pub unsafe extern "C" fn tsm_decode(
    tokenizer: *const Tokenizer,
    ids: *const u32,
    count: usize,
    skip_special: bool,
    out: *mut TsmString,
    error: *mut TsmString,
) -> i32 {
    guard(error, || {
        let ids = Slice(ids, count).items();
        let text = (*tokenizer).decode(ids, skip_special).map_err(|e| e.to_string())?;
        *out = TsmString::new(text);
        Ok(())
    })
}

/// Id of a token by its exact text, -1 when there is none.
///
/// # Safety
/// `text` points at `size` bytes.
#[no_mangle]
pub unsafe extern "C" fn tsm_token_to_id(
    tokenizer: *const Tokenizer,
    text: *const u8,
    size: usize,
) -> i64 {
    let mut id = -1;
    let mut ignored = TsmString::empty();
    guard(&mut ignored, || {
        let text = Slice(text, size).utf8()?;
        id = (*tokenizer).token_to_id(text).map_or(-1, i64::from);
        Ok(())
    });
    ignored.free();
    id
}

/// One more than the highest id.
///
/// # Safety
/// `tokenizer` comes from `tsm_tokenizer_new`.
#[no_mangle]
pub unsafe extern "C" fn tsm_vocab_size(tokenizer: *const Tokenizer) -> usize {
    let mut size = 0;
    let mut ignored = TsmString::empty();
    guard(&mut ignored, || {
        let vocab = (*tokenizer).get_vocab(true);
        size = vocab.values().max().map_or(0, |id| *id as usize + 1);
        Ok(())
    });
    ignored.free();
    size
}

/// Compiles a chat template.
///
/// # Safety
/// `source` points at `size` bytes; `out` and `error` point at writable values.
#[no_mangle]
pub unsafe extern "C" fn tsm_template_new(
    source: *const u8,
    size: usize,
    out: *mut *mut ChatTemplate,
    error: *mut TsmString,
) -> i32 {
    guard(error, || {
        let template = ChatTemplate::new(Slice(source, size).utf8()?)?;
        *out = Box::into_raw(Box::new(template));
        Ok(())
    })
}

/// # Safety
/// `template` comes from `tsm_template_new` and is not used afterwards.
#[no_mangle]
pub unsafe extern "C" fn tsm_template_free(template: *mut ChatTemplate) {
    if !template.is_null() {
        drop(Box::from_raw(template));
    }
}

/// Whether the template has {% generation %} tags.
///
/// # Safety
/// `template` comes from `tsm_template_new`.
#[no_mangle]
pub unsafe extern "C" fn tsm_template_has_generation(template: *const ChatTemplate) -> bool {
    (*template).has_generation()
}

/// Renders with the variables of a JSON object. `mark`: put GENERATION_BEGIN and GENERATION_END
/// where the template has its generation tags.
///
/// # Safety
/// `variables` points at `size` bytes; `out` and `error` point at writable values.
#[no_mangle]
pub unsafe extern "C" fn tsm_template_render(
    template: *const ChatTemplate,
    variables: *const u8,
    size: usize,
    mark: bool,
    out: *mut TsmString,
    error: *mut TsmString,
) -> i32 {
    guard(error, || {
        let text = (*template).render(Slice(variables, size).bytes(), mark)?;
        *out = TsmString::new(text);
        Ok(())
    })
}

/// # Safety
/// `string` was made by this library and is not used afterwards.
#[no_mangle]
pub unsafe extern "C" fn tsm_string_free(string: TsmString) {
    string.free();
}
