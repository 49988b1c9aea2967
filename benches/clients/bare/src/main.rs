//! What no client that uses these crates as they come can be cheaper than: AES-256-IGE and SHA-256, one after the other, over the
//! bytes of a file, in messages of the size of a part.

use std::hint::black_box;

use aes::{Aes256Dec, Aes256Enc};
use cipher::{Array, BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use measure::{Failure, ready, say, task};
use sha2::{Digest as _, Sha256};

const PART: usize = 512 << 10;

fn main() -> Result<(), Failure> {
    let task = task()?;
    let (key, iv) = ([1; 32].into(), [2; 32].into());
    let mut part = vec![7u8; PART];
    let upload = task.scenario == "upload";
    let watch = ready()?;
    let mut done = 0;
    while done < task.amount {
        if upload {
            black_box(Sha256::digest(&part));
        }
        let (blocks, _) = Array::slice_as_chunks_mut(&mut part);
        if upload {
            ige::Encryptor::<Aes256Enc>::new(&key, &iv).encrypt_blocks(blocks);
        } else {
            ige::Decryptor::<Aes256Dec>::new(&key, &iv).decrypt_blocks(blocks);
            black_box(Sha256::digest(&part));
        }
        done += PART as u64;
    }
    say(&watch.outcome(done))
}
