//! Puts artifacts together byte by byte.

/// A pickle of protocol 4 that names something.
pub fn named(module: &str, name: &str) -> Vec<u8> {
    [b"\x80\x04".as_slice(), &text(module), &text(name), b"\x93"].concat()
}

/// A short text.
pub fn text(text: &str) -> Vec<u8> {
    [&[0x8c, text.len() as u8], text.as_bytes()].concat()
}

/// A pickle of protocol 4 that calls something with a text.
pub fn called(module: &str, name: &str, argument: &str) -> Vec<u8> {
    [named(module, name), text(argument), b"\x85R.".to_vec()].concat()
}

/// What names something, within a pickle of protocol 4.
pub fn name(module: &str, name: &str) -> Vec<u8> {
    named(module, name).split_off(2)
}

/// What every test of a container carries: a pickle that would run `true`.
pub fn evil() -> Vec<u8> {
    called("posix", "system", "true")
}

/// A pickle with its header of NumPy for an array of objects.
pub fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{header}\n");
    [b"\x93NUMPY\x01\x00".as_slice(), &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
}

/// A member of an archive, and how its own header differs from the directory.
pub struct Member<'a> {
    pub name: &'a str,
    pub data: &'a [u8],
    pub local_name: Option<&'a str>,
    pub flags: u16,
    pub local_flags: Option<u16>,
    pub method: u16,
    pub crc: Option<u32>,
    pub size: Option<u32>,
    pub mode: u32,
}

pub fn member<'a>(name: &'a str, data: &'a [u8]) -> Member<'a> {
    Member { name, data, local_name: None, flags: 0, local_flags: None, method: 0, crc: None, size: None, mode: 0 }
}

/// An archive of stored members.
pub fn zip(members: &[Member]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for one in members {
        let header = out.len() as u32;
        let crc = one.crc.unwrap_or_else(|| crc32fast::hash(one.data));
        let size = one.size.unwrap_or(one.data.len() as u32);
        let common = |flags: u16, name: &str| {
            let mut common = Vec::new();
            common.extend([20, 0]);
            common.extend(flags.to_le_bytes());
            common.extend(one.method.to_le_bytes());
            common.extend([0; 4]);
            common.extend(crc.to_le_bytes());
            common.extend((one.data.len() as u32).to_le_bytes());
            common.extend(size.to_le_bytes());
            common.extend((name.len() as u16).to_le_bytes());
            common.extend([0, 0]);
            common
        };
        let local_name = one.local_name.unwrap_or(one.name);
        out.extend(b"PK\x03\x04");
        out.extend(common(one.local_flags.unwrap_or(one.flags), local_name));
        out.extend(local_name.as_bytes());
        out.extend(one.data);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(common(one.flags, one.name));
        directory.extend([0; 6]);
        directory.extend((one.mode << 16).to_le_bytes());
        directory.extend(header.to_le_bytes());
        directory.extend(one.name.as_bytes());
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((members.len() as u16).to_le_bytes());
    out.extend((members.len() as u16).to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

/// An archive of files, links (`1`, `2`) and others, each of a kind.
pub fn tar(members: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, kind, data) in members {
        let mut block = [0_u8; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..107].copy_from_slice(b"0000644");
        block[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
        block[148..156].copy_from_slice(b"        ");
        block[156] = *kind;
        block[257..263].copy_from_slice(b"ustar\0");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        out.extend(block);
        out.extend(*data);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// A field of a protocol buffer that holds bytes.
pub fn field(number: u8, data: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    if number >= 16 {
        out = vec![(number << 3 | 2) & 0x7f | 0x80, number >> 4];
    }
    let mut length = data.len();
    while length >= 0x80 {
        out.push(length as u8 & 0x7f | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(data);
    out
}

/// Base64, as pickles are hidden in texts.
pub fn base64(bytes: &[u8]) -> String {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = letters[(number >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= three.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// What DEFLATE makes of bytes, raw.
pub fn deflated(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}
