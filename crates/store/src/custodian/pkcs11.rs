//! The root key in a device that speaks PKCS#11: made there, never to leave it.
//!
//! A version of the root key is an AES-256 key with the label `LABEL.N`; the highest `N` wraps. What is wrapped is
//! `u32 LE N ‖ nonce(12) ‖ AES-256-GCM`. Keys are looked up for each use, and sessions are opened anew when the device lost
//! them, so a device that was reset or replaced by its twin is found again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::{AuthPin, Ulong};
use vault::{BoxError, Custodian, CustodianInfo, Unreachable};
use zeroize::Zeroizing;

use super::{CustodianError, SecretSource};

const VERSION_BYTES: usize = 4;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const KEY_BYTES: u64 = 32;

/// Which device, and which key in it.
#[derive(Clone, Debug)]
pub struct Pkcs11Options {
    /// The device's library.
    pub module: PathBuf,
    /// Label of the token; when empty, `slot` says which one it is.
    pub token: String,
    /// Number of the slot, when no label is given.
    pub slot: u64,
    /// Label of the root key, without its version.
    pub key: String,
    /// Where the user's PIN is.
    pub pin: SecretSource,
}

/// Holds no key, and asks the device that does.
pub struct Pkcs11Custodian {
    options: Pkcs11Options,
    context: Pkcs11,
    /// Sessions that nobody uses at present.
    idle: Mutex<Vec<Session>>,
    /// A PIN that was wrong. Devices count wrong ones and lock themselves, so it is not tried again.
    wrong_pin: Mutex<Option<Zeroizing<String>>>,
    /// The version that [`Custodian::advance`] made last: only older ones are ever destroyed, for another process may have
    /// made a newer one since, by which nothing is wrapped yet.
    made: AtomicU32,
}

/// Libraries that this process has loaded. A library is initialised once for all its users.
static LOADED: LazyLock<Mutex<BTreeMap<PathBuf, Pkcs11>>> = LazyLock::new(Mutex::default);

/// What went wrong at the device.
enum Trouble {
    /// The session, its sign-in or the device went away: worth a fresh session.
    Session(Error),
    /// Anything else that the device says.
    Device(Error),
    /// What was given is not for this key.
    Refused(&'static str),
    /// It could not even be asked.
    NotAsked(String),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let lost = matches!(
            error,
            Error::Pkcs11(
                RvError::SessionClosed
                    | RvError::SessionHandleInvalid
                    | RvError::SessionCount
                    | RvError::UserNotLoggedIn
                    | RvError::TokenNotPresent
                    | RvError::TokenNotRecognized
                    | RvError::DeviceRemoved
                    | RvError::DeviceError
                    | RvError::SlotIdInvalid
                    | RvError::KeyHandleInvalid
                    | RvError::ObjectHandleInvalid
                    | RvError::CryptokiNotInitialized,
                _,
            )
        );
        if lost { Self::Session(error) } else { Self::Device(error) }
    }
}

impl From<Trouble> for BoxError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(why) => why.into(),
            Trouble::NotAsked(why) => Unreachable::error(why),
            Trouble::Session(error) | Trouble::Device(error) => Unreachable::error(format!("the device says: {error}")),
        }
    }
}

impl Pkcs11Custodian {
    /// Signs in to the token, and makes the first version of the key when there is none.
    ///
    /// # Errors
    /// [`CustodianError::Elsewhere`]: the library, the token, the PIN or the key cannot be used.
    pub fn open(options: &Pkcs11Options) -> Result<Self, CustodianError> {
        let wrong = |why: String| CustodianError::Elsewhere { key_id: format!("pkcs11:{}", options.key), why };
        let context = load(&options.module).map_err(|e| wrong(format!("`{}`: {e}", options.module.display())))?;
        let (idle, wrong_pin, made) = Default::default();
        let custodian = Self { options: options.clone(), context, idle, wrong_pin, made };
        let made = custodian.with(|session| match custodian.versions(session)?.is_empty() {
            true => custodian.make(session, 1).map(|()| true),
            false => Ok(false),
        });
        if made.map_err(|e| wrong(BoxError::from(e).to_string()))? {
            tracing::info!(key_id = custodian.key_id(), "a root key was made in the device");
        }
        Ok(custodian)
    }

    /// Works with a session that is signed in; once more with a fresh one when the device lost it.
    fn with<R>(&self, work: impl Fn(&Session) -> Result<R, Trouble>) -> Result<R, Trouble> {
        let pooled = lock(&self.idle).pop();
        if let Some(session) = pooled {
            match work(&session) {
                Err(Trouble::Session(error)) => {
                    tracing::debug!(%error, "the device lost a session");
                    // The others are as old.
                    lock(&self.idle).clear();
                }
                answer => {
                    lock(&self.idle).push(session);
                    return answer;
                }
            }
        }
        let session = self.sign_in()?;
        let answer = work(&session);
        if !matches!(answer, Err(Trouble::Session(_))) {
            lock(&self.idle).push(session);
        }
        answer
    }

    fn sign_in(&self) -> Result<Session, Trouble> {
        let session = match self.slot().and_then(|slot| Ok(self.context.open_rw_session(slot)?)) {
            // Somebody else in this process has ended the library's work.
            Err(Trouble::Session(Error::Pkcs11(RvError::CryptokiNotInitialized, _))) => {
                initialise(&self.context)?;
                self.context.open_rw_session(self.slot()?)?
            }
            opened => opened?,
        };
        let pin = self.options.pin.read("the PIN of the device").map_err(|e| Trouble::NotAsked(e.to_string()))?;
        let pin = pin.ok_or_else(|| Trouble::NotAsked("there is no PIN for the device".into()))?;
        if lock(&self.wrong_pin).as_ref() == Some(&pin) {
            let why = "the device refused this PIN before, and may lock itself: give the right one";
            return Err(Trouble::NotAsked(why.into()));
        }
        match session.login(UserType::User, Some(&AuthPin::from(pin.as_str().to_owned()))) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => {
                if matches!(error, Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _))
                {
                    *lock(&self.wrong_pin) = Some(pin);
                }
                Err(error.into())
            }
        }
    }

    fn slot(&self) -> Result<Slot, Trouble> {
        let wanted = self.options.token.as_str();
        if wanted.is_empty() {
            let slot = Slot::try_from(self.options.slot);
            return slot.map_err(|_| Trouble::NotAsked(format!("`{}` is no slot", self.options.slot)));
        }
        for slot in self.context.get_slots_with_token()? {
            if self.context.get_token_info(slot).is_ok_and(|token| token.label().trim_end() == wanted) {
                return Ok(slot);
            }
        }
        Err(Trouble::NotAsked(format!("there is no token with the label `{wanted}`")))
    }

    /// The versions of the key that are there.
    fn versions(&self, session: &Session) -> Result<BTreeMap<u32, ObjectHandle>, Trouble> {
        let keys = session.find_objects(&[
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Token(true),
        ])?;
        let mut versions = BTreeMap::new();
        for key in keys {
            for attribute in session.get_attributes(key, &[AttributeType::Label])? {
                let Attribute::Label(label) = attribute else { continue };
                if let Some(version) = version_of(&label, &self.options.key) {
                    versions.insert(version, key);
                }
            }
        }
        // Whoever is not signed in sees no private keys, and is not told so.
        if versions.is_empty() && session.get_session_info()?.session_state() != SessionState::RwUser {
            return Err(Error::Pkcs11(RvError::UserNotLoggedIn, Function::GetSessionInfo).into());
        }
        Ok(versions)
    }

    fn make(&self, session: &Session, version: u32) -> Result<(), Trouble> {
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen(Ulong::from(KEY_BYTES)),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
            Attribute::Label(format!("{}.{version}", self.options.key).into_bytes()),
        ];
        session.generate_key(&Mechanism::AesKeyGen, &template)?;
        Ok(())
    }

    fn encrypt(
        session: &Session,
        version: u32,
        key: ObjectHandle,
        plain: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, Trouble> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|e| Trouble::NotAsked(e.to_string()))?;
        let mut given = nonce;
        let gcm = GcmParams::new(&mut given, aad, tag_bits())?;
        let sealed = session.encrypt(&Mechanism::AesGcm(gcm), key, plain)?;
        // A device that chooses its own nonce writes it over the one that was given.
        Ok([&version.to_le_bytes()[..], &given, &sealed].concat())
    }

    fn decrypt(&self, session: &Session, wrapped: &[u8], aad: &[u8]) -> Result<Vec<u8>, Trouble> {
        let foreign = Trouble::Refused("it was not wrapped by a device");
        let Some((version, rest)) = wrapped.split_first_chunk::<VERSION_BYTES>() else { return Err(foreign) };
        let Some((nonce, sealed)) = rest.split_first_chunk::<NONCE_BYTES>() else { return Err(foreign) };
        if sealed.len() < TAG_BYTES {
            return Err(foreign);
        }
        let version = u32::from_le_bytes(*version);
        let versions = self.versions(session)?;
        let Some(key) = versions.get(&version) else {
            // A token without any version is another one, or was emptied: not the place to say what is wrong with this.
            return Err(match versions.is_empty() {
                true => Trouble::NotAsked(format!("the token has no key `{}`", self.options.key)),
                false => Trouble::Refused("the version of the root key that wrapped it is not in the device"),
            });
        };
        let mut nonce = *nonce;
        let gcm = GcmParams::new(&mut nonce, aad, tag_bits())?;
        match session.decrypt(&Mechanism::AesGcm(gcm), *key, sealed).map_err(Trouble::from) {
            // Devices have many words for a tag that does not match, among them that of a general failure. One that can
            // still encrypt meant the tag.
            Err(Trouble::Device(_)) if Self::encrypt(session, version, *key, &[0; 16], aad).is_ok() => {
                Err(Trouble::Refused("it was wrapped by another root key, for another log, or changed"))
            }
            answer => answer,
        }
    }
}

impl Custodian for Pkcs11Custodian {
    fn wrap(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError> {
        let wrapped = self.with(|session| {
            let newest = self.versions(session)?.pop_last();
            let (version, key) = newest.ok_or_else(|| Trouble::NotAsked("the token has no root key".into()))?;
            Self::encrypt(session, version, key, plaintext, aad)
        });
        Ok(wrapped?)
    }

    fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok(self.with(|session| self.decrypt(session, wrapped, aad))?)
    }

    fn key_id(&self) -> String {
        match self.options.token.as_str() {
            "" => format!("pkcs11:{}/{}", self.options.slot, self.options.key),
            token => format!("pkcs11:{token}/{}", self.options.key),
        }
    }

    fn advance(&self) -> Result<String, BoxError> {
        self.with(|session| {
            let newest = self.versions(session)?.last_key_value().map_or(0, |(version, _)| *version);
            let next = newest.saturating_add(1);
            self.make(session, next)?;
            self.made.fetch_max(next, Ordering::AcqRel);
            Ok(())
        })?;
        Ok(self.key_id())
    }

    fn forget_older(&self) -> Result<(), BoxError> {
        self.with(|session| {
            let (versions, made) = (self.versions(session)?, self.made.load(Ordering::Acquire));
            // Never the last one, and none unless the one that wraps everything by now is there.
            let older = versions.iter().filter(|(version, _)| versions.contains_key(&made) && **version < made);
            for (_, key) in older {
                session.destroy_object(*key)?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn describe(&self) -> CustodianInfo {
        CustodianInfo { kind: "pkcs11", key_id: self.key_id(), forgets: true }
    }
}

fn tag_bits() -> Ulong {
    Ulong::from(8 * TAG_BYTES as u64)
}

/// `N` of a label `LABEL.N`, written as we write it.
fn version_of(label: &[u8], key: &str) -> Option<u32> {
    let number = std::str::from_utf8(label).ok()?.strip_prefix(key)?.strip_prefix('.')?;
    let version = number.parse::<u32>().ok().filter(|version| *version > 0)?;
    (version.to_string() == number).then_some(version)
}

fn load(module: &Path) -> Result<Pkcs11, Error> {
    let mut loaded = lock(&LOADED);
    if let Some(context) = loaded.get(module) {
        return Ok(context.clone());
    }
    let context = Pkcs11::new(module)?;
    initialise(&context)?;
    loaded.insert(module.to_owned(), context.clone());
    Ok(context)
}

fn initialise(context: &Pkcs11) -> Result<(), Error> {
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        initialised => initialised,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
