#![no_main]

// The first byte decides whether the rest is text or describes a document.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| match bytes.split_first() {
    Some((0..=127, text)) => glooistio::escape::fuzz::lines(text),
    Some((_, document)) => glooistio::overlay::fuzz::documents(document),
    None => {}
});
