use ring::{aead, digest};

fn main() {
    println!("{:?} {}", digest::digest(&digest::SHA256, b"corpus"), aead::AES_256_GCM.key_len());
}
