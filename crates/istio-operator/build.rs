//! Embeds the data files; see the crate `embed-data`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    embed_data::embed(&[("fields", "fields.json"), ("rules", "rules.json")])
}
