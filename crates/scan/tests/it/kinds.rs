//! Each kind: what is found, and what merely looks like it.

use scan::Detectors;

/// What is found, as `kind value`.
fn found(text: &str) -> Vec<String> {
    let found = Detectors::standard().find(text);
    found.iter().map(|one| format!("{} {}", one.kind.as_str(), &text[one.start..one.end])).collect()
}

#[track_caller]
fn check(kind: &str, genuine: &[(&str, &str)], others: &[&str]) {
    for (text, value) in genuine {
        let expected = format!("{kind} {value}");
        assert!(found(text).contains(&expected), "`{text}`: {expected} is not in {:?}", found(text));
    }
    for text in others {
        let wrong: Vec<_> = found(text).into_iter().filter(|one| one.starts_with(&format!("{kind} "))).collect();
        assert!(wrong.is_empty(), "`{text}`: {wrong:?}");
    }
}

#[test]
fn given_email_addresses_when_searched_then_they_are_told_from_other_uses_of_the_sign() {
    check(
        "email",
        &[
            ("Mail jörg.o'hara+x@mail.example.co.uk.", "jörg.o'hara+x@mail.example.co.uk"),
            ("<a@example.org>", "a@example.org"),
            ("‘ann@example.org’", "ann@example.org"),
        ],
        &["a@b", "user@localhost", "logo@2x.png", "git@github.com:owner/repo", "@handle", "x@.com", "x@-a..com", "@"],
    );
}

#[test]
fn given_telephone_numbers_when_searched_then_they_are_told_from_other_numbers() {
    check(
        "phone",
        &[
            ("+61 412 345 678", "+61 412 345 678"),
            ("call +61 (0)2 9876 5432 now", "+61 (0)2 9876 5432"),
            ("(02) 9876 5432", "(02) 9876 5432"),
            ("0412345678", "0412345678"),
            ("tel:0412-345-678", "0412-345-678"),
            ("+1 (415) 555-2671", "+1 (415) 555-2671"),
            ("415-555-2671", "415-555-2671"),
            ("020 7946 0958", "020 7946 0958"),
            ("phone 9876 5432", "9876 5432"),
            ("+61 412 345 678 5 times", "+61 412 345 678"),
            ("电话０４１２３４５６７８请", "０４１２３４５６７８"),
        ],
        &[
            "part no 053-3348-420",
            "+61 412 345",
            "a+61412345678",
            "order 0412345678",
            "2024-05-06",
            "1.415.555",
            "555 123 times",
        ],
    );
}

#[test]
fn given_card_numbers_when_searched_then_issuer_length_and_luhn_decide() {
    check(
        "card",
        &[
            ("4111 1111 1111 1111", "4111 1111 1111 1111"),
            ("2223000048400011", "2223000048400011"),
            ("3782-822463-10005", "3782-822463-10005"),
            ("６０１１０００９９０１３９４２４", "６０１１０００９９０１３９４２４"),
        ],
        &[
            "4111 1111 1111 1112",
            "9111111111111111",
            "ISBN 9781089306401",
            "x4111111111111111y",
            "0.4111111111111111",
            "IMEI 490154203237518",
        ],
    );
}

#[test]
fn given_bank_accounts_when_searched_then_country_length_and_check_digits_decide() {
    check(
        "iban",
        &[
            ("DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00"),
            ("GB29NWBK60161331926819.", "GB29NWBK60161331926819"),
        ],
        &["DE88 3704 0044 0532 0130 00", "ZZ89370400440532013000", "DE8937040044053201300", "DE893704004405320130000"],
    );
    check(
        "bsb",
        &[("BSB 062-000", "062-000"), ("bsb: 062000", "062000"), ("see 062-000 below", "062-000")],
        &["062-000-1", "SKU 062-000", "062 000", "062000", "1062-000"],
    );
}

#[test]
fn given_australian_numbers_when_searched_then_check_digits_forms_and_words_decide() {
    check(
        "tfn",
        &[
            ("TFN 123 456 782", "123 456 782"),
            ("see 123-456-782", "123-456-782"),
            ("TFN123456782", "123456782"),
            ("tax file number: 81854402", "81854402"),
            ("tfn 1\u{200b}23\u{a0}456\u{a0}782", "1\u{200b}23\u{a0}456\u{a0}782"),
        ],
        &[
            "TFN 123 456 783",
            "order 123456782",
            "123456782 units",
            "81854402",
            "000 000 000",
            "phone 123 456 782",
            "1,123456782.50",
            "items/123456782",
        ],
    );
    check(
        "abn",
        &[("51 824 753 556", "51 824 753 556"), ("ABN 51824753556", "51824753556")],
        &["51 824 753 557", "tracking 51824753556"],
    );
    check(
        "acn",
        &[("ACN 004 085 616", "004 085 616"), ("(ACN 004085616)", "004085616")],
        &["ACN 004 085 617", "TFN 004 085 616"],
    );
    check(
        "medicare",
        &[
            ("Medicare 2123 45670 1", "2123 45670 1"),
            ("medicare no. 2123 45670 1/2", "2123 45670 1/2"),
            ("2123456701-3", "2123456701-3"),
            ("medicare 21234567012", "21234567012"),
        ],
        &["Medicare 2123 45671 1", "Medicare 1123 45670 1", "order 2123456701", "21234567012"],
    );
}

#[test]
fn given_numbers_of_other_countries_when_searched_then_what_is_never_given_out_is_not_found() {
    check(
        "ssn",
        &[("536-90-4399", "536-90-4399"), ("SSN 536904399", "536904399")],
        &[
            "000-12-3456",
            "666-12-3456",
            "912-12-3456",
            "536-00-4399",
            "078-05-1120",
            "123-45-6789",
            "536904399",
            "ticket 536-90-4399",
        ],
    );
    check(
        "nhs",
        &[("NHS 943 476 5919", "943 476 5919"), ("nhs number 9434765919", "9434765919")],
        &["NHS 943 476 5918", "9434765919"],
    );
    check(
        "nino",
        &[("AB 12 34 56 C", "AB 12 34 56 C"), ("AB123456C", "AB123456C")],
        &["BG123456C", "AB123456E", "DA123456A", "AB1234567"],
    );
}

#[test]
fn given_documents_when_searched_then_most_need_a_word_that_names_them() {
    check(
        "passport",
        &[
            ("passport PA1234567", "PA1234567"),
            ("see N1234567", "N1234567"),
            ("Passport No. LA123456", "LA123456"),
            ("passport: 123456780", "123456780"),
        ],
        &["LA123456", "order N1234567", "QX1234567", "passport photo 2024", "N12345678"],
    );
    check(
        "licence",
        &[
            ("driver licence 12345678", "12345678"),
            ("DL D1234567", "D1234567"),
            ("MORGA657054SM9IJ", "MORGA657054SM9IJ"),
        ],
        &["12345678", "software licence 12345678", "licence plate ABC1234", "MORGA699054SM9IJ"],
    );
}

#[test]
fn given_dates_when_searched_then_those_of_birth_are_told_from_others() {
    check(
        "birth_date",
        &[
            ("DOB 12/03/1985", "12/03/1985"),
            ("born on 3rd of November, 1985", "3rd of November, 1985"),
            ("birthday: Nov 3, 1985", "Nov 3, 1985"),
            ("date of birth 1985-11-03", "1985-11-03"),
            ("see 12/03/1985 below", "12/03/1985"),
            ("DOB 3.11.85", "3.11.85"),
        ],
        &[
            "DOB 32/13/1985",
            "due 12/03/1985",
            "12/03/1985 10:30",
            "2024-05-06",
            "12/03/2024",
            "DOB 30/02/1985",
            "version 3.11.85",
            "May 2019",
        ],
    );
}

#[test]
fn given_addresses_when_searched_then_street_state_and_postcode_decide() {
    check(
        "address",
        &[
            ("85 Collins Pde, Belconnen ACT 2617.", "85 Collins Pde, Belconnen ACT 2617"),
            ("Unit 5, 12 St Kilda Rd, Sandy Bay TAS 7005", "Unit 5, 12 St Kilda Rd, Sandy Bay TAS 7005"),
            ("3/12-14 Hay Street Perth WA 6000", "3/12-14 Hay Street Perth WA 6000"),
            ("PO Box 12, Parramatta NSW 2124", "PO Box 12, Parramatta NSW 2124"),
            ("742 Evergreen Terrace, Springfield, IL 62704", "742 Evergreen Terrace, Springfield, IL 62704"),
            ("10 Downing Street, London SW1A 2AA", "10 Downing Street, London SW1A 2AA"),
            ("I live at 12 Hay St.", "12 Hay St"),
        ],
        &["12 Hay St", "In 2019 the Street Team won", "12 Angry Men", "chapter 3 The Long Road", "85 Collins"],
    );
}

#[test]
fn given_names_when_searched_then_common_ones_or_a_word_before_decide() {
    check(
        "person",
        &[
            ("we met Priya Nguyen there", "Priya Nguyen"),
            ("Jack O'Brien's car", "Jack O'Brien"),
            ("my name is Xyla Quoorn.", "Xyla Quoorn"),
            ("ask Dr Okonkwo", "Okonkwo"),
            ("name: Ewan McKay", "Ewan McKay"),
            ("Sarah J. Smith agreed", "Sarah J. Smith"),
        ],
        &[
            "Reserve Bank",
            "George Street",
            "New South Wales",
            "The Smith",
            "JSON Schema",
            "Monday Morning",
            "jack smith",
        ],
    );
}

#[test]
fn given_addresses_of_networks_when_searched_then_versions_and_times_are_none() {
    check(
        "ip_address",
        &[
            ("client 203.0.113.77", "203.0.113.77"),
            ("10.20.30.40:8080", "10.20.30.40"),
            ("10.20.30.0/24", "10.20.30.0"),
            ("from 2001:db8::8a2e:370:7334.", "2001:db8::8a2e:370:7334"),
            ("fe80::1ff:fe23:4567:890a", "fe80::1ff:fe23:4567:890a"),
        ],
        &[
            "256.1.2.3",
            "1.2.3.4.5",
            "version 10.20.30.40",
            "127.0.0.1",
            "255.255.255.0",
            "10:30:45",
            "std::vec",
            "::1",
            "1.2.3",
        ],
    );
    check(
        "mac_address",
        &[
            ("00:1b:44:11:3a:b7", "00:1b:44:11:3a:b7"),
            ("00-1B-44-11-3A-B7", "00-1B-44-11-3A-B7"),
            ("001b.4411.3ab7", "001b.4411.3ab7"),
        ],
        &["ff:ff:ff:ff:ff:ff", "00:1b:44:11:3a", "00:1b:44:11:3a:b7:01", "12-34-56-78-90-12", "00:1g:44:11:3a:b7"],
    );
}

#[test]
fn given_secrets_when_searched_then_examples_and_code_are_none() {
    let own = scan::keys::secret(&[7; 32]);
    let aws = ["AKIA", "6QZ6FLTWIAP2OHWF"].concat();
    let github = ["ghp_", "nD4lz4kWNjGo5sdbEU0dqu23vFjXD3dzH9j0"].concat();
    let key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----";
    check(
        "secret",
        &[
            (&format!("\\n{own}"), &own),
            (&format!("key {aws}."), &aws),
            (&format!("token={github} x"), &github),
            (key, key),
            ("password: \"hunter2!Blue\"", "hunter2!Blue"),
            ("postgres://app:s3cr3t@db.example/x", "s3cr3t"),
            ("API_KEY=9f8a7b6c5d4e3f2a1b0c9d8e", "9f8a7b6c5d4e3f2a1b0c9d8e"),
        ],
        &[
            "AKIAIOSFODNN7EXAMPLE",
            "AKIAAAAAAAAAAAAAAAAA",
            "ghp_short",
            "sk-your-api-key-goes-here",
            "token = get_token()",
            "passphrase: Source::None",
            "apiKey: process.env.API_KEY",
            "password: ${PASSWORD}",
            "max_tokens: 4096",
            "the secret: nobody knows",
            "-----BEGIN CERTIFICATE-----",
            "commit 2011949a80a57f7b3825ca02783ddb6ab550569a",
        ],
    );
}

#[test]
fn given_columns_when_classified_then_names_and_values_decide_together() {
    let detectors = Detectors::standard();
    let column = |name: &str, values: &[&str]| {
        let found = detectors.column(name, values.iter().copied());
        found.map_or_else(String::new, |(kind, score)| {
            assert!((300..=999).contains(&score));
            kind.as_str().to_owned()
        })
    };
    let mails = ["a@example.org", "b@example.org", "c@example.org", ""];
    assert_eq!(column("x", &mails), "email");
    assert_eq!(column("tfn", &["123456782", "876543210", "123 456 782"]), "tfn");
    assert_eq!(column("x", &["123456782", "876543210", "123456782", "876543210"]), "tfn", "none by chance");
    let ids: Vec<String> = (100_000_000..100_000_200).map(|id: u32| id.to_string()).collect();
    assert_eq!(column("id", &ids.iter().map(String::as_str).collect::<Vec<_>>()), "", "one in eleven is by chance");
    assert_eq!(column("date_of_birth", &["1985-03-12", "1990-11-03"]), "birth_date");
    assert_eq!(column("created_at", &["2024-03-12", "2023-11-03", "2022-01-01"]), "");
    assert_eq!(column("first_name", &["Priya", "Xyla", "Jack"]), "person");
    assert_eq!(column("colour", &["red", "green", "blue"]), "");
    assert_eq!(column("mobile_number", &["0412 345 678", "0498 765 432"]), "phone");
    assert_eq!(column("street_address", &["12 Hay St", "85 Collins Pde"]), "address");
    assert_eq!(column("notes", &["nothing", "ask ann@example.org please", "no"]), "email", "text that holds one");
    assert_eq!(column("email", &[]), "email", "what an empty column is named");
    assert_eq!(column("amount", &["12.50", "99.00"]), "");
}
