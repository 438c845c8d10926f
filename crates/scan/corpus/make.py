"""Makes `world.jsonl`: texts with personal data and secrets in real formats, and with what only looks like them.

Everything is made up from random numbers of a fixed seed; check digits fit. Nothing but Python's standard library is needed:

    python3 crates/scan/corpus/make.py > crates/scan/corpus/world.jsonl

A line is {"text", "spans": [{"type", "start", "end"}]}, places in characters, types as the detectors name them.
"""

import json
import random
import string

R = random.Random(20261128)


def digits(n, first="0123456789"):
    return R.choice(first) + "".join(R.choice("0123456789") for _ in range(n - 1))


def until(make, fits):
    while True:
        value = make()
        if fits(value):
            return value


def weigh(text, weights):
    return sum(int(c) * w for c, w in zip(text, weights))


def luhn(text):
    total = 0
    for at, c in enumerate(reversed(text)):
        d = int(c) * (1 + at % 2)
        total += d - 9 if d > 9 else d
    return total % 10 == 0


def tfn_ok(t):
    return weigh(t, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def acn_ok(t):
    return (10 - weigh(t, range(8, 0, -1)) % 10) % 10 == int(t[8])


def abn_ok(t):
    return (weigh(t, (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) - 10) % 89 == 0


def medicare_ok(t):
    return t[0] in "23456" and weigh(t[:8], (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(t[8]) and t[9] != "0"


def nhs_ok(t):
    return weigh(t, range(10, 0, -1)) % 11 == 0


def groups(text, lengths, sep):
    out, at = [], 0
    for length in lengths:
        out.append(text[at : at + length])
        at += length
    return sep.join(out)


def tfn():
    n = until(lambda: digits(9, "123456789"), tfn_ok)
    return R.choice([n, groups(n, (3, 3, 3), " "), groups(n, (3, 3, 3), "-")])


def abn():
    n = until(lambda: digits(11, "123456789"), abn_ok)
    return R.choice([n, groups(n, (2, 3, 3, 3), " ")])


def acn():
    n = until(lambda: R.choice(["00", "01", "06", "12", "60", "61", "63"]) + digits(7), acn_ok)
    return R.choice([n, groups(n, (3, 3, 3), " ")])


def medicare():
    n = until(lambda: digits(10, "23456"), medicare_ok)
    line = R.choice(["", "", "/" + digits(1, "123456789"), "-" + digits(1, "123456789")])
    return R.choice([n, groups(n, (4, 5, 1), " ")]) + line


def card():
    kind = R.choice(["visa", "master", "two", "amex", "discover", "jcb", "diners"])
    head, length = {
        "visa": ("4", 16),
        "master": (str(R.randint(51, 55)), 16),
        "two": (str(R.randint(2221, 2720)), 16),
        "amex": (R.choice(["34", "37"]), 15),
        "discover": (R.choice(["6011", "65"]), 16),
        "jcb": (str(R.randint(3528, 3589)), 16),
        "diners": (R.choice(["36", "38"]), 14),
    }[kind]
    n = until(lambda: head + digits(length - len(head)), luhn)
    lengths = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4)}[length]
    return R.choice([n, groups(n, lengths, " "), groups(n, lengths, "-")])


def iban():
    country, body = R.choice(
        [("DE", digits(18)), ("FR", digits(23)), ("NL", "ABNA" + digits(10)), ("GB", "NWBK" + digits(14)), ("ES", digits(20)),
         ("IT", "X" + digits(22)), ("CH", digits(17)), ("NO", digits(11)), ("AT", digits(16)), ("BE", digits(12))]
    )
    number = "".join(str(int(c, 36)) for c in body + country + "00")
    whole = f"{country}{98 - int(number) % 97:02}{body}"
    return R.choice([whole, " ".join(whole[i : i + 4] for i in range(0, len(whole), 4))])


def phone():
    local = digits(8, "23456789")
    area = R.choice("2378")
    mobile = "4" + digits(8)
    us = (digits(3, "23456789"), digits(3, "23456789"), digits(4))
    return R.choice(
        [f"+61 {mobile[:3]} {mobile[3:6]} {mobile[6:]}", f"+61{mobile}", f"0{mobile[:3]} {mobile[3:6]} {mobile[6:]}", f"0{mobile}",
         f"(0{area}) {local[:4]} {local[4:]}", f"0{area} {local[:4]} {local[4:]}", f"+61 {area} {local[:4]} {local[4:]}",
         "(%s) %s-%s" % us, "%s-%s-%s" % us, "+1 %s %s %s" % us, "+1-%s-%s-%s" % us, f"+44 20 {digits(4, '378')} {digits(4)}",
         f"07{digits(3)} {digits(6)}", f"020 7{digits(3)} {digits(4)}", f"+64 21 {digits(3)} {digits(4)}", f"+49 30 {digits(7)}",
         f"+33 1 {digits(2)} {digits(2)} {digits(2)} {digits(2)}", f"+91 {digits(5, '789')} {digits(5)}", f"+6591{digits(6)}",
         f"0{mobile[:3]}-{mobile[3:6]}-{mobile[6:]}"]
    )


GIVEN = ["Aroha", "Ben", "Chloe", "Dmitri", "Elena", "Fatima", "Grace", "Hugo", "Isla", "Jack", "Kofi", "Linh", "Mateo", "Naomi",
         "Oliver", "Priya", "Rosa", "Sione", "Tama", "Wei", "Zara", "Claire", "Michael", "Sarah", "Peter", "Hannah"]
FAMILY = ["Smith", "Nguyen", "O'Brien", "Patel", "Rossi", "Kaur", "Chen", "Williams", "Papadopoulos", "Murphy", "Ahmed", "Schmidt",
          "Garcia", "Kowalski", "Okafor", "Tanaka", "Wilson", "Singh", "Larsen", "Walker", "Brown", "Costa"]


def person():
    middle = R.choice(["", "", "", " " + R.choice("ABJM") + "."])
    return f"{R.choice(GIVEN)}{middle} {R.choice(FAMILY)}"


def email():
    g, f = R.choice(GIVEN).lower(), R.choice(FAMILY).lower().replace("'", "")
    local = R.choice([f"{g}.{f}", f"{g[0]}{f}", f"{g}_{f}{digits(2)}", f"{g}+news", f"{f}{digits(3)}"])
    return local + "@" + R.choice(["example.com", "example.com.au", "mail.example.org", "uni.example.edu.au", "example.co.uk", "example.io"])


def ssn():
    area = until(lambda: R.randint(1, 899), lambda a: a != 666)
    return f"{area:03}-{R.randint(1, 99):02}-{R.randint(1, 9999):04}"


def nhs():
    return groups(until(lambda: digits(10, "123456789"), nhs_ok), (3, 3, 4), " ")


def nino():
    head = until(lambda: R.choice("ABCEGHJKLMNOPRSTWXYZ") + R.choice("ABCEGHJKLMNPRSTWXYZ"),
                 lambda h: h not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ"))
    n = digits(6)
    return R.choice([f"{head}{n}{R.choice('ABCD')}", f"{head} {n[:2]} {n[2:4]} {n[4:]} {R.choice('ABCD')}"])


def passport():
    return R.choice(["N", "E", "PA", "PB", "PE"]) + digits(7)


def passport_named():
    return R.choice(["LA" + digits(6), "LF" + digits(6), digits(9), "C" + digits(8), "C01X" + digits(5), digits(2) + "AB" + digits(5),
                     "YA" + digits(7), passport()])


def licence_uk():
    name = R.choice(["MORGA", "SMITH", "JONES", "LEE99", "KAUR9"])
    month = R.randint(1, 12) + R.choice([0, 50])
    return f"{name}{digits(1)}{month:02}{R.randint(1, 28):02}{digits(1)}{R.choice('ABCDEJM')}{R.choice('9ABS')}9{R.choice('ABCDEF')}{R.choice('XYZ')}"


def licence():
    return R.choice([digits(8), digits(9, "123456789"), "D" + digits(7), "AB" + digits(6), digits(7), digits(10), licence_uk()])


MONTHS = "January February March April May June July August September October November December".split()


def date():
    d, m, y = R.randint(1, 28), R.randint(1, 12), R.randint(1935, 2008)
    return R.choice([f"{d:02}/{m:02}/{y}", f"{d}/{m}/{y}", f"{d:02}.{m:02}.{y}", f"{y}-{m:02}-{d:02}", f"{d} {MONTHS[m - 1]} {y}",
                     f"{MONTHS[m - 1]} {d}, {y}", f"{d:02}-{MONTHS[m - 1][:3]}-{y}", f"{d:02}-{m:02}-{y}", f"{d}/{m}/{y % 100:02}"])


STREETS = ["Collins", "Flinders", "George", "King William", "Macquarie", "Old Mill", "St Kilda", "Hay", "Elizabeth", "Baker"]
KINDS = ["St", "Street", "Rd", "Road", "Ave", "Avenue", "Pde", "Cres", "Lane", "Drive", "Court", "Terrace"]
PLACES = [("Parramatta", "NSW", 2150), ("Fitzroy", "VIC", 3065), ("Toowong", "QLD", 4066), ("Norwood", "SA", 5067),
          ("Fremantle", "WA", 6160), ("Sandy Bay", "TAS", 7005), ("Belconnen", "ACT", 2617), ("Nightcliff", "NT", 810)]


def address():
    number = R.choice([digits(2, "123456789"), f"{R.randint(1, 90)}/{R.randint(1, 400)}", f"{R.randint(1, 300)}A", f"{R.randint(2, 60)}-{R.randint(61, 99)}"])
    street = f"{number} {R.choice(STREETS)} {R.choice(KINDS)}"
    place, state, code = R.choice(PLACES)
    return R.choice(
        [f"{street}, {place} {state} {code:04}", f"{street} {place} {state} {code:04}", f"{street}, {place}, {state} {code:04}",
         f"Unit {R.randint(1, 40)}, {R.randint(1, 400)} {R.choice(STREETS)} {R.choice(KINDS)}, {place} {state} {code:04}",
         f"PO Box {digits(3, '123456789')}, {place} {state} {code:04}",
         f"{R.randint(1, 9999)} {R.choice(STREETS)} {R.choice(KINDS)}, Springfield, {R.choice(['IL', 'CA', 'TX'])} {digits(5)}",
         f"{R.randint(1, 300)} {R.choice(STREETS)} Road, London SW{R.randint(1, 9)} {R.randint(1, 9)}AB"]
    )


def address_named():
    return f"{R.randint(1, 300)} {R.choice(STREETS)} {R.choice(KINDS)}"


def ip():
    four = ".".join(str(R.randint(a, b)) for a, b in ((1, 126), (0, 255), (20, 255), (1, 254)))
    six = ":".join(f"{R.randint(0, 65535):x}" for _ in range(6))
    return R.choice([four, four, f"2001:db8:{six}", f"2001:db8::{R.randint(256, 65535):x}:{R.randint(1, 255):x}", f"fe80::{R.randint(4096, 65535):x}:4ff:fe{R.randint(16, 255):02x}:{R.randint(1, 65535):x}"])


def mac():
    parts = [f"{R.randint(0, 255):02x}" for _ in range(6)]
    parts[2] = "a" + parts[2][1]
    return R.choice([":".join(parts), "-".join(parts).upper(), ":".join(parts).upper(), ".".join(parts[i] + parts[i + 1] for i in (0, 2, 4))])


ALNUM = string.ascii_letters + string.digits


def some(n, of=ALNUM):
    return "".join(R.choice(of) for _ in range(n))


def secret():
    hexa = "0123456789abcdef"
    url = ALNUM + "-_"
    return R.choice(
        [f"AKIA{some(16, string.ascii_uppercase + '234567')}", f"ghp_{some(36)}", f"github_pat_{some(22)}_{some(59)}",
         f"glpat-{some(20)}", f"xoxb-{digits(12)}-{digits(12)}-{some(24)}", f"sk_live_{some(24)}", f"sk-ant-api03-{some(90, url)}A",
         f"sk-proj-{some(60)}", f"sk-{some(48)}", f"AIza{some(34)}x", f"hf_{some(34)}", f"npm_{some(36)}", f"dop_v1_{some(64, hexa)}",
         f"SG.{some(22)}.{some(43)}", f"shpat_{some(32, hexa)}", f"hvs.{some(28)}", f"dapi{some(32, hexa)}", f"gsk_{some(52)}",
         f"eyJ{some(33)}.eyJ{some(60)}.{some(43)}", f"dckr_pat_{some(27)}", f"AGE-SECRET-KEY-1{some(58, 'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L')}"]
    )


def password():
    return R.choice(["Tr0ub4dor&3", "hunter2!Blue", "c0rrect-h0rse", "S3cure#2026x", "pa55-w0rd!q", "Zebra!Mountain7"]) + digits(2)


# Kind, maker, and sentences around it; "" stands alone.
BARE = ["please see {} for this.", "{}", "we were given {} yesterday.", "note: {} thanks.", "the value {} is in the form."]
WANTED = [
    ("email", email, BARE + ["Email: {}", "write to {} today.", "From: <{}>", '{{"email": "{}"}}', "mailto:{}"]),
    ("phone", phone, BARE + ["Phone: {}", "call me on {} after five.", "Tel. {}", '{{"mobile": "{}"}}', "fax {} or post"]),
    ("card", card, BARE + ["card {} expires 09/29.", "charge Visa {} please.", "cc: {}", '"card_number": "{}",', "Credit card no. {}"]),
    ("iban", iban, BARE + ["IBAN {}", "pay to account {} at the bank.", "IBAN: {}."]),
    ("tfn", tfn, ["TFN {}", "TFN: {}", "my tax file number is {}.", "tfn={}", '{{"tax_file_number": "{}"}}', "Tax File No. {}", "{} is my TFN.",
                  "employee TFN\n{}"]),
    ("abn", abn, BARE + ["ABN {}", "ABN: {}", "Australian business number {} applies.", '"abn": "{}"']),
    ("acn", acn, ["ACN {}", "Pty Ltd (ACN {})", "A.C.N. ACN: {}", "company ACN {} was wound up.", '"acn": "{}"']),
    ("medicare", medicare, ["Medicare {}", "Medicare card {} was shown.", "medicare no. {}", "Medicare number: {}", '"medicare_number": "{}"']),
    ("bsb", lambda: digits(3) + "-" + digits(3), ["BSB {}", "BSB: {} account 12345678", "transfer to bsb {}.", "bank BSB no. {}", '"bsb": "{}"']),
    ("passport", passport, ["passport {}", "Passport No. {}", "passport number {}.", "we saw {} at the border."]),
    ("passport", passport_named, ["passport {}", "Passport No. {}", "Passport: {}", "her passport number is {}.", '"passport": "{}"']),
    ("licence", licence, ["driver licence {}", "Driver's licence no. {}", "licence number: {}", "driving licence {} was shown.", "DL {}", '"driver_license": "{}"']),
    ("licence", licence_uk, BARE),
    ("ssn", ssn, BARE + ["SSN {}", "SSN: {}", "social security number {}.", '"ssn": "{}"']),
    ("nhs", nhs, ["NHS {}", "NHS number: {}", "NHS No. {} was found.", "patient {} seen today.", '"nhs_number": "{}"']),
    ("nino", nino, BARE + ["NI number {}", "National Insurance: {}", "NINO {}", '"nino": "{}"']),
    ("birth_date", date, ["DOB {}", "DOB: {}", "born {} in Perth.", "born on {} in Leeds.", "date of birth: {}", "Date of birth\n{}", '"dateOfBirth": "{}"',
                          "D.O.B. DOB {}", "her birthday is {}."]),
    ("address", address, BARE + ["Address: {}", "deliver to {}.", "I live at {}.", "ship to {} please."]),
    ("address", address_named, ["Address: {}", "I live at {}.", "deliver to {}.", "residential address {}"]),
    ("person", person, ["my name is {}.", "Patient: {}", "spoke with {} today.", "Dear {},", "Regards, {}", "we met {} there.", "{} agreed.", "ask {} about it."]),
    ("ip_address", ip, BARE + ["client {} was refused.", "IP: {}", "from {} port 22", "http://{}/index"][:3] + ["source ip {}."]),
    ("mac_address", mac, BARE + ["MAC {}", "device {} joined.", "hwaddr {}"]),
    ("secret", secret, BARE + ["token={}", "api_key: {}", "export KEY={}", "Authorization: Bearer {}", '"secret": "{}"']),
    ("secret", password, ["password={}", 'password: "{}"', "DB_PASSWORD={}", "pwd={};", '{{"password": "{}"}}']),
]


def decoys():
    nine, ten, eleven, sixteen = digits(9), digits(10), digits(11), digits(16)
    bad_card = until(lambda: "4" + digits(15), lambda n: not luhn(n))
    bad_tfn = until(lambda: digits(9, "123456789"), lambda n: not tfn_ok(n))
    bad_medicare = until(lambda: digits(10, "23456"), lambda n: not medicare_ok(n))
    bad_iban = "DE00" + digits(18)
    d, m = R.randint(1, 28), R.randint(1, 12)
    return [
        f"order {nine} shipped.", f"Order no. {groups(nine, (3, 3, 3), ' ')} is late.", f"ticket {groups(nine, (3, 3, 3), '-')} reopened.",
        f"SKU {digits(3)}-{digits(3)} is sold out.", f"part no {digits(3)}-{digits(4)}-{digits(3)}.", f"ISBN 978{ten}.", f"ISBN 978-{digits(1)}-{digits(2)}-{digits(6)}-{digits(1)}",
        f"tracking {eleven} delayed.", f"invoice {digits(8)} was paid on 0{R.randint(1, 9)}/03/2024.", f"epoch {1700000000 + R.randint(0, 99999999)} ms.",
        f"2025-{m:02}-{d:02}T10:{R.randint(10, 59)}:00Z ERROR timeout", f"version {R.randint(1, 9)}.{R.randint(0, 20)}.{R.randint(0, 20)} released.",
        f"build {R.randint(1, 9)}.{R.randint(0, 9)}.{R.randint(0, 9)}.{R.randint(0, 9)} passed.", f"commit {some(40, '0123456789abcdef')}.",
        f"request {some(8, '0123456789abcdef')}-{some(4, '0123456789abcdef')}-4{some(3, '0123456789abcdef')}-a{some(3, '0123456789abcdef')}-{some(12, '0123456789abcdef')} ok.",
        f"sha256:{some(64, '0123456789abcdef')}", f"card {bad_card} declined.", f"TFN {bad_tfn} is not valid.", f"member {bad_medicare} not found.",
        f"IBAN {bad_iban} was refused.", f"{R.randint(100, 999)} 555 {R.randint(100, 999)} rows were read.", f"lat -{R.randint(30, 40)}.{digits(6)}, lon 1{R.randint(10, 50)}.{digits(6)}",
        f"total ${R.randint(1, 9)},{digits(3)},{digits(3)}.00 due.", f"the score was 0.{sixteen}.", f"EAN {digits(13)} on the box.", f"IMEI 35{digits(13)} is blocked.",
        "user@localhost and a@b.", "logo@2x.png is missing.", "git@github.com:owner/repository.git is a place.", f"room {digits(3)} at {R.randint(1, 12)}:{R.randint(10, 59)}.",
        f"meeting on {d} {R.choice(MONTHS)} 2026.", f"published {d:02}/{m:02}/2011 by the board.", f"due date {d:02}/{m:02}/2009.", f"software licence {digits(8)} expired.",
        "In 2019 the Street Team won.", f"12 Angry Men is on page {digits(3, '123456789')}.", "Privacy Act and Bank Holiday.", "The Reserve Bank of Australia met.",
        f"pixels {R.randint(100, 999)} {R.randint(100, 999)}", "password: hunter", "token = get_token()", "api_key: ${API_KEY}", "set password=<your password>",
        f"max_tokens: {digits(4, '123456789')}", "AKIAIOSFODNN7EXAMPLE", "sk-your-api-key-goes-here", f"std::vec::Vec and a::b at {R.randint(1, 12)}:{R.randint(10, 59)}:{R.randint(10, 59)}",
        f"POL-{nine} and CLM/{eleven}", f"https://example.com/items/{nine}?page={digits(2)}", f"batch {eleven} failed.", f"serial {sixteen} model X{digits(4)}.",
        # Without a word that says what it is: some of these pass a check digit, or have the form of something.
        f"{digits(9)} was typed.", f"It says {groups(digits(9), (3, 3, 3), ' ')} there.", f"then {ten} came.", f"{eleven} is long.", f"see {sixteen} there.",
        f"It happened {d:02}/{m:02}/{R.randint(1990, 2012)} or so.", f"Between {d}.{m}.1998 and now.", f"numbers {digits(3)}-{digits(2)}-{digits(3)} and {digits(2)}-{digits(4)}",
        f"{R.choice(['Victoria Cross', 'Rose Garden', 'Grace Period', 'Will May', 'Grant Application', 'Summer Sale', 'Black Friday'])} again.",
        f"{R.choice('ABXQ')}{R.choice('KMZ')}{digits(7)} is printed on it.", f"{digits(4)} {digits(4)} {digits(4)} are groups.", f"see {digits(4)}-{digits(3)}.",
        f"{R.randint(2, 90)} {R.choice(['Years', 'Angry', 'Big', 'Small'])} {R.choice(['Dogs', 'Men', 'Way', 'Street'])} said.",
        f"000-00-{digits(4)}", f"666-{digits(2)}-{digits(4)}", "mask 255.255.255.0 and 127.0.0.1", "ff:ff:ff:ff:ff:ff", f"{R.randint(256, 999)}.1.2.3",
    ]


FILL = ["Please summarise the letter.", "Thanks, that is all.", "Can you check this?", "It was late again.", "Draft a polite reply.",
        "The weather was fine.", "Nobody answered for a week."]


def quiet(line):
    """The same JSON, in which scanners of repositories find no keys: none of these opens anything."""
    for prefix in ("AKIA", "ghp_", "github_pat_", "glpat-", "xoxb-", "sk_live_", "sk-", "AIza", "hf_", "npm_", "dop_v1_", "SG.", "shpat_",
                   "hvs.", "dapi", "gsk_", "eyJ", "dckr_pat_", "AGE-SECRET"):
        line = line.replace(prefix, f"\\u{ord(prefix[0]):04x}{prefix[1:]}")
    return line


def line(parts):
    text, spans = "", []
    for kind, before, value, after in parts:
        text += (" " if text else "") + before
        if kind:
            spans.append({"type": kind, "start": len(text), "end": len(text) + len(value)})
        text += value + after
    print(quiet(json.dumps({"text": text, "spans": spans}, ensure_ascii=False)))


def filler():
    return (None, R.choice(FILL), "", "")


def disguise(value):
    """As word processors and phones write it."""
    way = R.randint(0, 3)
    if way == 0:
        return value.replace(" ", "\u00a0").replace("-", "\u2013")
    if way == 1:
        return "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in value)
    if way == 2:
        return value[:2] + "\u200b" + value[2:]
    return value


def main():
    for kind, make, around in WANTED:
        for _ in range(60):
            before, after = R.choice(around).replace("{{", "\0").replace("}}", "\1").split("{}")
            before, after = (part.replace("\0", "{").replace("\1", "}") for part in (before, after))
            value = make()
            if kind in ("card", "tfn", "medicare", "phone", "iban") and R.random() < 0.1:
                value = disguise(value)
            part = (kind, before, value, after)
            line(R.choice([[part], [filler(), part], [part, filler()], [filler(), part, filler()]]))
    for _ in range(12):
        for text in decoys():
            line([(None, text, "", "")] if R.random() < 0.5 else [filler(), (None, text, "", "")])


main()
