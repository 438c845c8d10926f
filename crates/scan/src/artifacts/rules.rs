//! The rules: what each finding is called and how bad it is. `docs/artifacts.md` has them all.

/// The version of the rules. What passed under an older one is due to be scanned again.
pub const RULES: u32 = 1;

/// How bad something is. From [`Severity::Medium`] on an artifact fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// It reaches beyond the model, or is not what it says it is.
    Medium,
    /// It can run code, or reach files, when it is loaded.
    High,
    /// It is made to run code.
    Critical,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// A rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, which stays.
    pub id: &'static str,
    /// How bad it is when something is found by it.
    pub severity: Severity,
    /// What it finds, in a few words.
    pub about: &'static str,
}

macro_rules! rules {
    ($($name:ident, $id:literal, $severity:ident, $about:literal;)*) => {
        $(pub(crate) static $name: Rule = Rule { id: $id, severity: Severity::$severity, about: $about };)*

        /// Every rule.
        pub static ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    PICKLE_CODE, "pickle-code", Critical, "a pickle names something that runs code, starts programs or reaches the network";
    PICKLE_IMPORT, "pickle-import", High, "a pickle names something that is not on the list of what may be named";
    PICKLE_COMPUTED, "pickle-computed-name", High, "a pickle computes what it names, so that nobody can tell what it is";
    PICKLE_CALL, "pickle-call", High, "a pickle calls something that may be named and not be called so";
    PICKLE_BUILD, "pickle-build", High, "a pickle sets attributes of a class or a function";
    PICKLE_EXTENSION, "pickle-extension", High, "a pickle names something by a number of its own machine's register";
    PICKLE_NESTED, "pickle-nested", High, "a text or a string of bytes is a pickle that names what it may not";
    PICKLE_BOMB, "pickle-bomb", High, "a pickle takes memory out of all proportion";
    PICKLE_PERSISTENT, "pickle-persistent", Low, "a pickle leaves out objects that its reader has to supply";
    JOBLIB_PADDING, "joblib-padding", High, "bytes of an array that joblib would not write, and another reader takes for instructions";
    ARCHIVE_PATH, "archive-path", High, "a member of an archive would be written outside of it";
    ARCHIVE_LINK, "archive-link", High, "a member of an archive is a link or a device";
    ARCHIVE_DUPLICATE, "archive-duplicate", High, "two members of an archive have one name";
    ARCHIVE_MISMATCH, "archive-mismatch", High, "an archive says one thing in its directory and another beside the data";
    ARCHIVE_OVERLAP, "archive-overlap", High, "members of an archive share bytes";
    ARCHIVE_HIDDEN, "archive-hidden", High, "an archive holds data that its directory does not name";
    ARCHIVE_POLYGLOT, "archive-polyglot", Medium, "a file is two things at once";
    ARCHIVE_DAMAGED, "archive-damaged", Medium, "a checksum or a length in an archive is wrong, which some readers pass over";
    ARCHIVE_BOMB, "archive-bomb", Medium, "an archive expands out of all proportion";
    NATIVE_CODE, "native-code", High, "machine code or compiled Python";
    KERAS_CODE, "keras-code", Critical, "a layer of Keras that carries code or loads something that does";
    KERAS_MODULE, "keras-module", High, "a Keras configuration names a module beyond those of layers and their parts";
    KERAS_CLASS, "keras-class", Medium, "a Keras configuration names a class or function of somebody's own";
    TENSORFLOW_OP, "tensorflow-op", High, "an operation of TensorFlow reads or writes files, or runs Python";
    TORCHSCRIPT_OP, "torchscript-op", High, "TorchScript code reads or writes files, or calls an operator of somebody's own";
    ONNX_PATH, "onnx-path", High, "data of an ONNX model lie at a path outside its directory";
    ONNX_EXTERNAL, "onnx-external", Low, "data of an ONNX model lie in another file";
    ONNX_DOMAIN, "onnx-domain", Medium, "an ONNX model calls operators of somebody's own, which are code";
    GGUF_BOUNDS, "gguf-bounds", High, "a number in a GGUF header points outside the file, or overflows";
    TEMPLATE_CODE, "template-code", High, "a chat template reaches for more than texts and messages";
    SAFETENSORS_HEADER, "safetensors-header", High, "the header of a safetensors file does not describe the file";
    NUMPY_HEADER, "numpy-header", Medium, "the header of an array does not describe the array";
    NUMPY_OBJECTS, "numpy-objects", Low, "an array holds Python objects, which are a pickle";
    SKOPS_TYPE, "skops-type", High, "a skops file names a type that is not on the list of what may be named";
    SKOPS_NODE, "skops-node", High, "a skops file has a node that fetches attributes or that is unknown";
    UBJSON_BOUNDS, "ubjson-bounds", High, "a length in a UBJSON file is more than the file holds";
    HDF5_EXTERNAL, "hdf5-external", High, "an HDF5 file takes data from another file";
    REQUIREMENT, "requirement", Medium, "a package comes from an address or an index of somebody's own";
    SECRET, "secret", High, "a key, token or password in a text";
    PERSONAL, "personal-data", Low, "personal data in a text";
}
