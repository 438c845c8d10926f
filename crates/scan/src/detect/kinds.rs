//! What there is to find: the kinds, with their names and how much it matters that they are found.

/// How much harm is done when a value gets out, in the words of the classes of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// For the house only.
    Internal,
    /// For those who need it.
    Confidential,
    /// Says something of a person.
    Personal,
    /// Does harm at once: opens accounts, steals an identity.
    Sensitive,
}

impl Class {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Personal => "personal",
            Self::Sensitive => "sensitive",
        }
    }

    /// The class of this word.
    #[must_use]
    pub fn find(word: &str) -> Option<Self> {
        [Self::Internal, Self::Confidential, Self::Personal, Self::Sensitive]
            .into_iter()
            .find(|class| class.as_str() == word)
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $name:literal, $class:ident;)*) => {
        /// A kind of thing that is found.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
            /// What somebody's own detector finds: its place in the order in which they were added. Its name and class are
            /// known to the `Detectors`.
            Custom(u16),
        }

        enum Place { $($kind),* }

        impl Kind {
            /// All that are found without being asked for by name.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$kind),*];

            /// The word that is used for it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                    Self::Custom(_) => "custom",
                }
            }

            /// How much it matters.
            #[must_use]
            pub fn class(self) -> Class {
                match self {
                    $(Self::$kind => Class::$class,)*
                    Self::Custom(_) => Class::Confidential,
                }
            }

            /// Its bit in a set of kinds; those of somebody's own have none.
            pub(crate) const fn bit(self) -> u32 {
                match self {
                    $(Self::$kind => 1 << (Place::$kind as u32),)*
                    Self::Custom(_) => 0,
                }
            }
        }
    };
}

kinds! {
    /// An e-mail address.
    Email, "email", Personal;
    /// The number of a payment card, with its Luhn digit.
    Card, "card", Sensitive;
    /// An Australian Medicare number, with its check digit and perhaps the person's line.
    Medicare, "medicare", Sensitive;
    /// An Australian tax file number, with its check digit.
    Tfn, "tfn", Sensitive;
    /// A telephone number.
    Phone, "phone", Personal;
    /// An international bank account number, with its two check digits.
    Iban, "iban", Sensitive;
    /// An Australian business number, which is a person's when they trade alone.
    Abn, "abn", Personal;
    /// An Australian company number.
    Acn, "acn", Internal;
    /// The branch of an Australian bank account.
    Bsb, "bsb", Confidential;
    /// The number of a passport.
    Passport, "passport", Sensitive;
    /// The number of a driver licence.
    Licence, "licence", Sensitive;
    /// A social security number of the United States.
    Ssn, "ssn", Sensitive;
    /// A number of the National Health Service of the United Kingdom.
    Nhs, "nhs", Sensitive;
    /// A national insurance number of the United Kingdom.
    Nino, "nino", Sensitive;
    /// A date of birth.
    BirthDate, "birth_date", Personal;
    /// A street address.
    Address, "address", Personal;
    /// A person's name.
    Person, "person", Personal;
    /// An address of the Internet Protocol, version 4 or 6.
    Ip, "ip_address", Personal;
    /// The hardware address of a network card.
    Mac, "mac_address", Personal;
    /// A key, token or password.
    Secret, "secret", Sensitive;
}

impl Kind {
    /// The kind of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// What was found, and where it stands in a text, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// Its first byte.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// How likely it is to be that, in thousandths.
    pub score_permille: u16,
}
