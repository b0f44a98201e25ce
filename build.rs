//! Embeds the data files; see the crate `embed-data`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    embed_data::embed(&[
        ("src/facts/data", "facts.json"),
        ("src/image/data", "image.json"),
    ])
}
