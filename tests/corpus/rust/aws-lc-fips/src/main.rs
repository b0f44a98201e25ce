use aws_lc_rs::{aead, digest};

fn main() {
    println!("fips {}", aws_lc_rs::try_fips_mode().is_ok());
    println!("{:?} {}", digest::digest(&digest::SHA256, b"corpus"), aead::AES_256_GCM.key_len());
}
