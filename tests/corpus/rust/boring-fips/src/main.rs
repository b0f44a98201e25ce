//! Links BoringSSL with its FIPS module, as Envoy's `--config=boringssl-fips` and ztunnel's `tls-boring` do.
use boring::ssl::{SslConnector, SslMethod};

fn main() -> Result<(), boring::error::ErrorStack> {
    let connector = SslConnector::builder(SslMethod::tls())?.build();
    println!("fips {} {:p}", boring::fips::enabled(), connector.context());
    println!("{:02x?}", boring::sha::sha256(b"corpus"));
    Ok(())
}
