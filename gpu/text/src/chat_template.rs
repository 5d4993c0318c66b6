//! A chat template, rendered as transformers' apply_chat_template renders it.

use crate::python_compat;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Error, Value};
use serde_json::Value as Json;

/// Put where the template opens and closes a generation block. Unicode noncharacters: no text that
/// is meant for interchange holds them.
const GENERATION_BEGIN: &str = "\u{fdd0}tsm-generation\u{fdd1}";
const GENERATION_END: &str = "\u{fdd1}tsm-generation\u{fdd0}";
const BEGIN_VARIABLE: &str = "__tsm_generation_begin";
const END_VARIABLE: &str = "__tsm_generation_end";

/// Steps of minijinja's machine that one rendering may take; a hostile template ends here.
const FUEL: u64 = 20_000_000;
const MAX_TEMPLATE_SIZE_BYTES: usize = 1 << 20;
const NAME: &str = "chat_template";

pub struct ChatTemplate {
    environment: Environment<'static>,
    has_generation: bool,
}

impl ChatTemplate {
    pub fn new(source: &str) -> Result<Self, String> {
        if source.len() > MAX_TEMPLATE_SIZE_BYTES {
            return Err(format!("{} bytes; the limit is {MAX_TEMPLATE_SIZE_BYTES}", source.len()));
        }
        let rewritten = rewrite_generation(source);
        let has_generation = rewritten != source;
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|e| describe(&e))?);
        environment.set_unknown_method_callback(python_compat::unknown_method);
        environment.set_fuel(Some(FUEL));
        environment.add_filter("tojson", python_compat::tojson);
        environment.add_filter("trim", python_compat::trim);
        environment.add_function("raise_exception", python_compat::raise_exception);
        // A template that can do without the date must: its own constant is better than ours.
        if !source.contains("strftime_now is defined") && !source.contains("strftime_now is not defined") {
            environment.add_function("strftime_now", python_compat::strftime_fixed);
        }
        environment.add_template_owned(NAME, rewritten).map_err(|e| describe(&e))?;
        Ok(ChatTemplate { environment, has_generation })
    }

    pub fn has_generation(&self) -> bool {
        self.has_generation
    }

    /// `variables` is a JSON object.
    pub fn render(&self, variables: &[u8], mark: bool) -> Result<String, String> {
        let mut variables: Json = serde_json::from_slice(variables).map_err(|e| e.to_string())?;
        let object = variables.as_object_mut().ok_or("the variables are not a JSON object")?;
        let marks = if mark { (GENERATION_BEGIN, GENERATION_END) } else { ("", "") };
        object.insert(BEGIN_VARIABLE.into(), Json::from(marks.0));
        object.insert(END_VARIABLE.into(), Json::from(marks.1));
        let template = self.environment.get_template(NAME).map_err(|e| describe(&e))?;
        template.render(Value::from(Serde(variables))).map_err(|e| describe(&e))
    }
}

/// Replaces `{% generation %}` and `{% endgeneration %}` by a block that prints a mark. It is an
/// `if` around the print, so that trim_blocks, lstrip_blocks and the `-` work as on the tag itself.
fn rewrite_generation(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(open) = rest.find("{%") {
        let Some(length) = rest[open..].find("%}") else { break };
        let tag = &rest[open + 2..open + length];
        let left = if tag.starts_with(['-', '+']) { &tag[..1] } else { "" };
        let right = if tag.len() > 1 && tag.ends_with(['-', '+']) { &tag[tag.len() - 1..] } else { "" };
        let variable = match tag[left.len()..tag.len() - right.len()].trim() {
            "generation" => Some(BEGIN_VARIABLE),
            "endgeneration" => Some(END_VARIABLE),
            _ => None,
        };
        out.push_str(&rest[..open]);
        match variable {
            Some(name) => {
                out.push_str(&format!("{{%{left} if true %}}{{{{ {name} }}}}{{% endif {right}%}}"))
            }
            None => out.push_str(&rest[open..open + length + 2]),
        }
        rest = &rest[open + length + 2..];
    }
    out.push_str(rest);
    out
}

/// One line: what, and where in the template.
fn describe(error: &Error) -> String {
    let what = match error.detail() {
        Some(detail) => detail.to_string(),
        None => error.kind().to_string(),
    };
    match error.line() {
        Some(line) => format!("{what} (line {line} of the template)"),
        None => what,
    }
}
