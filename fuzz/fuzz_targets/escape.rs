#![no_main]

// The first byte decides whether the rest is text or describes a document.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| match bytes.split_first() {
    Some((0..=127, text)) => terminal_text::fuzz::lines(text),
    Some((_, document)) => {
        istio_operator::fuzz::documents(document);
        glooistio::report::fuzz::reports(document);
    },
    None => {}
});
