//! Who chose a value of a plan, so that advice names what the user wrote.

use std::fmt;

use istio_operator::Origin;

/// Who chose a value of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChosenBy {
    Flag,
    /// A file, a `--set` or a template.
    Input(Origin),
    /// The record of the install that is upgraded.
    Record,
    /// The data, because the user named none.
    Data,
}

impl ChosenBy {
    /// Returns what to do so that the data choose `field` of `spec` (`hub`, `tag`), which `flag` sets too.
    pub fn removal(&self, field: &str, flag: &str) -> String {
        match self {
            ChosenBy::Flag => format!("remove {flag}"),
            ChosenBy::Input(Origin::File(place)) => format!("remove {field} at {place}"),
            ChosenBy::Input(Origin::Set(text)) => format!("remove --set {text}"),
            ChosenBy::Input(origin) => format!("remove {field} from {origin}"),
            ChosenBy::Record | ChosenBy::Data => format!("give {flag}"),
        }
    }

    /// Returns what to do so that `field` becomes `value`; `flag` does the same if no input names the field.
    pub fn change(&self, field: &str, value: impl fmt::Display, flag: &str) -> String {
        match self {
            ChosenBy::Input(Origin::File(place)) => {
                format!("change {field} at {place} to {value}")
            }
            ChosenBy::Input(origin) => format!("change {field} in {origin} to {value}"),
            ChosenBy::Flag | ChosenBy::Record | ChosenBy::Data => format!("give {flag}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use istio_operator::Position;

    #[test]
    fn advice_names_where_the_value_was_given() {
        let place = Position {
            source: "in.yaml".into(),
            line: 8,
            column: 8,
        };
        for (by, removal, change) in [
            (ChosenBy::Flag, "remove --istio", "give --istio 1.31.0"),
            (ChosenBy::Data, "give --istio", "give --istio 1.31.0"),
            (
                ChosenBy::Input(Origin::File(place)),
                "remove tag at in.yaml:8:8",
                "change tag at in.yaml:8:8 to 1.31.0",
            ),
            (
                ChosenBy::Input(Origin::Set("tag=x".into())),
                "remove --set tag=x",
                "change tag in --set tag=x to 1.31.0",
            ),
            (
                ChosenBy::Input(Origin::Template("t.hbs".into())),
                "remove tag from template t.hbs",
                "change tag in template t.hbs to 1.31.0",
            ),
        ] {
            assert_eq!(by.removal("tag", "--istio"), removal);
            assert_eq!(by.change("tag", "1.31.0", "--istio 1.31.0"), change);
        }
    }
}
