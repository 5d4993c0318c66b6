//! Where Jinja in Python (as transformers sets it up) and minijinja with pycompat differ.

use minijinja::value::{from_args, Kwargs, StringInput};
use minijinja::{Error, ErrorKind, State, Value};
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use std::borrow::Cow;
use std::io;

/// The day on which every conversation takes place: training must not depend on the clock. It is
/// the date that Llama 3's own template falls back to.
const DAY: [(char, &str); 10] = [
    ('d', "26"), ('m', "07"), ('b', "Jul"), ('B', "July"), ('Y', "2024"), ('y', "24"),
    ('a', "Fri"), ('A', "Friday"), ('j', "208"), ('%', "%"),
];

/// Python's methods on str that pycompat lacks or does otherwise, on top of pycompat.
pub fn unknown_method(
    state: &mut State,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        match method {
            "strip" | "lstrip" | "rstrip" => return strip(text, method, args),
            "rsplit" => return rsplit(text, args),
            "removeprefix" => {
                let (prefix,): (&str,) = from_args(args)?;
                return Ok(Value::from(text.strip_prefix(prefix).unwrap_or(text)));
            }
            "removesuffix" => {
                let (suffix,): (&str,) = from_args(args)?;
                return Ok(Value::from(text.strip_suffix(suffix).unwrap_or(text)));
            }
            "title" => {
                let () = from_args(args)?;
                return Ok(Value::from(title(text)));
            }
            "partition" | "rpartition" => return partition(text, method, args),
            _ => {}
        }
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
}

/// str.isspace of Python: Unicode's White_Space and the separators U+001C to U+001F.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn strip(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let (set,): (Option<&str>,) = from_args(args)?;
    let goes = |c: char| match set {
        Some(set) => set.contains(c),
        None => is_python_space(c),
    };
    Ok(Value::from(match method {
        "lstrip" => text.trim_start_matches(goes),
        "rstrip" => text.trim_end_matches(goes),
        _ => text.trim_matches(goes),
    }))
}

fn rsplit(text: &str, args: &[Value]) -> Result<Value, Error> {
    let (separator, max): (Option<&str>, Option<i64>) = from_args(args)?;
    let limit = match max {
        Some(max) if max >= 0 => max as usize,
        _ => usize::MAX - 1,
    };
    let mut parts: Vec<String> = match separator {
        Some("") => return Err(Error::new(ErrorKind::InvalidOperation, "empty separator")),
        Some(separator) => text.rsplitn(limit + 1, separator).map(str::to_string).collect(),
        None => rsplit_space(text, limit),
    };
    parts.reverse();
    Ok(Value::from(parts))
}

fn rsplit_space(text: &str, limit: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text.trim_matches(is_python_space);
    while parts.len() < limit {
        let Some(at) = rest.rfind(is_python_space) else { break };
        let tail = &rest[at..];
        parts.push(tail.trim_start_matches(is_python_space).to_string());
        rest = rest[..at].trim_end_matches(is_python_space);
    }
    if !rest.is_empty() {
        parts.push(rest.to_string());
    }
    parts
}

fn partition(text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    let (separator,): (&str,) = from_args(args)?;
    let found = if method == "partition" { text.find(separator) } else { text.rfind(separator) };
    let parts = match found {
        Some(at) => [&text[..at], separator, &text[at + separator.len()..]],
        None if method == "partition" => [text, "", ""],
        None => ["", "", text],
    };
    Ok(Value::from(parts.map(Value::from).to_vec()))
}

/// str.title: a letter behind a cased letter is small, any other one is large.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut behind_letter = false;
    for c in text.chars() {
        let cased = c.is_lowercase() || c.is_uppercase();
        if behind_letter {
            out.extend(c.to_lowercase());
        } else {
            let mut large = c.to_uppercase();
            out.extend(large.next());
            out.extend(large.flat_map(char::to_lowercase));
        }
        behind_letter = cased;
    }
    out
}

/// Jinja's `trim`: str.strip.
pub fn trim(value: StringInput<'_>, set: Option<Cow<'_, str>>) -> Value {
    let goes = |c: char| match &set {
        Some(set) => set.contains(c),
        None => is_python_space(c),
    };
    Value::from(value.as_str().trim_matches(goes))
}

/// json.dumps(…, ensure_ascii=False, indent=indent), as transformers defines tojson.
pub fn tojson(value: Value, kwargs: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = kwargs.get("indent")?;
    let _: Option<bool> = kwargs.get("ensure_ascii")?;
    kwargs.assert_all_used()?;
    let mut out = Vec::new();
    let written = match indent {
        Some(width) => {
            let spaces = " ".repeat(width.min(16));
            let pretty = PrettyFormatter::with_indent(spaces.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, pretty))
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Spaced)),
    };
    written.map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))?;
    Ok(Value::from(String::from_utf8_lossy(&out).into_owned()))
}

/// Python's default separators ", " and ": ".
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, w: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { w.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, w: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { w.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, w: &mut W) -> io::Result<()> {
        w.write_all(b": ")
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, w: &mut W, value: f64) -> io::Result<()> {
        CompactFormatter.write_f64(w, value)
    }
}

/// `raise_exception(message)` of chat templates.
pub fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// `strftime_now(format)` on the fixed day; times are midnight.
pub fn strftime_fixed(format: String) -> String {
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let Some(code) = chars.next() else { break };
        match DAY.iter().find(|(known, _)| *known == code) {
            Some((_, text)) => out.push_str(text),
            None => out.push_str("00"),
        }
    }
    out
}
