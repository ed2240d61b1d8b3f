//! A template and its parameters become a text.

use std::collections::BTreeMap;

use minijinja::{Environment, UndefinedBehavior, value::Serde};

/// The text doesn't render. `program check` lets none pass that doesn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text can't be rendered")]
pub struct BadText;

/// Renders `text`; a parameter that isn't there is an error, never an empty place in a message. The environment has no filters,
/// no functions and no loader: a text can do nothing but name parameters.
pub fn render(text: &str, params: &BTreeMap<String, String>) -> Result<String, BadText> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.render_str(text, Serde(params)).map_err(|_| BadText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_filled_in_as_they_are() {
        let params = BTreeMap::from([("a", "1<2"), ("b", "{{ a }}")].map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(render("得{{ a }}分{{b}}。", &params).as_deref(), Ok("得1<2分{{ a }}。"));
        for text in ["{{ c }}", "{{ a", "{{ a | upper }}", "{% include 'x' %}"] {
            assert_eq!(render(text, &params), Err(BadText), "{text}");
        }
    }
}
