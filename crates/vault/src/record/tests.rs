use super::*;
use crate::commit::verify_commitment;
use crate::names::encode_hex;
use proptest::prelude::*;

const CLASS: &str = "pii";

fn keys_for(r: &[u8; 24]) -> RecordKeys {
    let (subject, day) = (SecretKey::from_bytes(&[0x11; 32]), SecretKey::from_bytes(&[0x22; 32]));
    RecordKeys::derive(&context("log.example/1", CLASS), r, &subject, &day)
}

#[test]
fn text_compresses_and_round_trips() {
    let context = context("log.example/1", CLASS);
    let text = b"the quick brown fox ".repeat(400);
    let sealed = seal(&keys_for(&[3; 24]), &context, [3; 24], &[(1, &text), (9, b"")]).unwrap();
    assert!(sealed.ct.len() < text.len() / 3);
    let opened = open(keys_for(&[3; 24]), &context, &sealed.as_ref()).unwrap();
    assert_eq!(opened.fields, [(1, text), (9, Vec::new())]);
    assert_eq!(opened.commitments, sealed.commitments);
}

#[test]
fn a_ciphertext_with_another_content_than_committed_is_refused() {
    // Given an operator who holds the record keys and encrypts something else under them.
    let context = context("log.example/1", CLASS);
    let honest = seal(&keys_for(&[3; 24]), &context, [3; 24], &[(1, b"declined")]).unwrap();
    let forged = seal(&keys_for(&[3; 24]), &context, [3; 24], &[(1, b"accepted")]).unwrap();
    // When it is presented with the commitment that is in the ledger, it opens but does not pass.
    let presented = SealedRef { ct: &forged.ct, ..honest.as_ref() };
    let refused = open(keys_for(&[3; 24]), &context, &presented);
    assert!(matches!(refused.err(), Some(VaultError::CommitmentMismatch)));
}

#[test]
fn fields_must_ascend_and_fit() {
    let context = context("log.example/1", CLASS);
    let keys = keys_for(&[3; 24]);
    for fields in [[(2, &b"a"[..]), (1, b"b")], [(1, b"a"), (1, b"b")]] {
        let refused = seal(&keys, &context, [3; 24], &fields);
        assert!(matches!(refused, Err(VaultError::FieldOrder { next: 1, .. })));
    }
    let huge = vec![0; MAX_PLAIN_BYTES];
    let refused = seal(&keys, &context, [3; 24], &[(1, &huge)]);
    assert!(matches!(refused, Err(VaultError::TooLarge { .. })));
    let every_id: Vec<(u16, &[u8])> = (0..=u16::MAX).map(|id| (id, &b""[..])).collect();
    assert!(matches!(seal(&keys, &context, [3; 24], &every_id), Err(VaultError::TooManyFields)));
}

#[test]
fn broken_inner_encodings_are_refused() {
    for (bytes, what) in [
        (&[1, 0, 1][..], "a short header"),
        (&[1, 0, 2, 0, 0, 0, 7], "a length beyond the end"),
        (&[1, 0, 255, 255, 255, 255], "a huge length"),
        (&[2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0], "descending ids"),
    ] {
        assert!(parse_fields(bytes).is_err(), "{what}");
    }
    assert_eq!(parse_fields(&[]).unwrap(), []);
}

#[test]
fn a_frame_may_not_claim_more_than_the_limit() {
    let frame = zstd::bulk::compress(&vec![0; MAX_PLAIN_BYTES + 1], 1).unwrap();
    assert!(frame.len() < 10_000);
    assert!(matches!(decompress(&frame), Err(VaultError::TooLarge { .. })));
    assert!(matches!(decompress(b"not zstd"), Err(VaultError::Malformed(_))));
}

/// Golden vector, computed by another implementation (Python's `cryptography`): with these inputs all
/// must arrive at these bytes. `GOLDEN_CT` holds a zstd frame of one raw block; compressors differ,
/// but all must open this one.
#[test]
fn golden_vector() {
    let r: [u8; 24] = std::array::from_fn(|i| i as u8);
    let context = context("log.example/1", CLASS);
    let keys = keys_for(&r);
    assert_eq!(encode_hex(&context), "63662f7265632f76310d0000006c6f672e6578616d706c652f3103000000706969");
    assert_eq!(encode_hex(&keys.enc), GOLDEN_ENC);
    assert_eq!(encode_hex(&keys.nonce), GOLDEN_NONCE);
    assert_eq!(encode_hex(&keys.sk), GOLDEN_SK);

    let fields: [(u16, &[u8]); 2] = [(1, b"hello"), (300, b"")];
    let commitments = keys.commitments(&fields);
    assert_eq!(encode_hex(&keys.salt(1)), GOLDEN_SALT_1);
    assert_eq!(commitments.iter().map(|c| encode_hex(c)).collect::<Vec<_>>(), GOLDEN_COMMITMENTS);
    let c_root = commitment_root(&commitments).unwrap();
    assert_eq!(encode_hex(&c_root), GOLDEN_ROOT);

    let ct: Vec<u8> = GOLDEN_CT
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let opened = open(keys, &context, &SealedRef { r: &r, ct: &ct, c_root: &c_root }).unwrap();
    assert_eq!(opened.fields, [(1, b"hello".to_vec()), (300, Vec::new())]);
}

const GOLDEN_ENC: &str = "159d86bca372572711166223ec1d048d560dfa480ba65210f9629dd32470d0e0";
const GOLDEN_NONCE: &str = "e1dd43dee71934b72e7b1819";
const GOLDEN_SK: &str = "bbe4be2dc0ba5c45a68f5ddc32a1f38a8cf09b05cb09eda8066db008bc87aa4c";
const GOLDEN_SALT_1: &str = "e2c5f7592438beec45196e7318f424ce2561641b41e43743a90895af650f989a";
const GOLDEN_COMMITMENTS: [&str; 2] = [
    "ed520aa95450db58be75a595ba7212765a3fdaffa3ae126abaea7bfd51e90023",
    "58f268c0b1d6815a127cba9ae48f83586a18f2ee810c8910f72e31ca9c44344b",
];
const GOLDEN_ROOT: &str = "545cec792b7a39a72ed0854502000ccef69a24a6f31b709edf8c55cb0bda5dfc";
const GOLDEN_CT: &str = "37045b46673907514fae66e187af1bc3c27d167f59fcdc90ff65da37542f667ae55057cb84609d25686f";

proptest! {
    #[test]
    fn any_fields_round_trip_and_verify(
        fields in proptest::collection::btree_map(any::<u16>(), proptest::collection::vec(any::<u8>(), 0..300), 0..8),
        r in any::<[u8; 24]>(),
    ) {
        let context = context("log.example/1", CLASS);
        let given: Vec<(u16, &[u8])> = fields.iter().map(|(id, v)| (*id, v.as_slice())).collect();
        let sealed = seal(&keys_for(&r), &context, r, &given).unwrap();
        let opened = open(keys_for(&r), &context, &sealed.as_ref()).unwrap();
        prop_assert_eq!(&opened.fields, &fields.clone().into_iter().collect::<Vec<_>>());
        for (id, value) in &fields {
            let salt = opened.keys.salt(*id);
            prop_assert!(verify_commitment(&sealed.c_root, &sealed.commitments, *id, &salt, value));
        }
    }

    #[test]
    fn any_changed_bit_is_refused(
        value in proptest::collection::vec(any::<u8>(), 0..100),
        at in any::<proptest::sample::Index>(),
        bit in 0..8u8,
    ) {
        let context = context("log.example/1", CLASS);
        let r = [3; 24];
        let mut sealed = seal(&keys_for(&r), &context, r, &[(1, &value)]).unwrap();
        let at = at.index(sealed.ct.len());
        sealed.ct[at] ^= 1 << bit;
        let refused = open(keys_for(&r), &context, &sealed.as_ref());
        prop_assert!(matches!(refused.err(), Some(VaultError::Ciphertext)));
    }

    #[test]
    fn parsing_any_bytes_ends_well(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(fields) = parse_fields(&bytes) {
            let given: Vec<(u16, &[u8])> = fields.iter().map(|(id, v)| (*id, v.as_slice())).collect();
            prop_assert_eq!(encode_fields(&given).unwrap(), bytes);
        }
    }
}

#[test]
fn frames_of_any_length_are_whole_zstd_frames() {
    for len in [0, 1, 255, 256, 257, SMALL_BYTES - 1, SMALL_BYTES, 70_000] {
        let plain: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        let packed = compress(&plain).expect("compresses");
        assert_eq!(zstd_safe::find_frame_compressed_size(&packed), Ok(packed.len()), "{len}");
        assert_eq!(decompress(&packed).expect("decompresses"), plain, "{len}");
    }
}
