//! Keras configurations: JSON that names classes and the modules they come from, in `config.json` of a `.keras` archive, in
//! an attribute of an HDF5 file, or in a SavedModel. Keras imports what it names.

use std::io;

use super::json::{self, Json};
use super::source::{self, Source, bytes};
use super::{Scan, rules, shown};

/// Classes that carry code, or load something that does.
const CODE: [&str; 8] = [
    "Lambda",
    "TFSMLayer",
    "TorchModuleWrapper",
    "JaxLayer",
    "FlaxLayer",
    "TorchLayer",
    "__lambda__",
    "TensorFlowOpLayer",
];

/// Modules whose classes are layers and their parts.
const MODULES: [&str; 19] = [
    "keras",
    "keras.layers",
    "keras.models",
    "keras.activations",
    "keras.initializers",
    "keras.regularizers",
    "keras.constraints",
    "keras.losses",
    "keras.metrics",
    "keras.optimizers",
    "keras.optimizers.legacy",
    "keras.optimizers.schedules",
    "keras.mixed_precision",
    "keras.dtype_policies",
    "keras.quantizers",
    "keras.random",
    "keras.callbacks",
    "keras.layers.experimental",
    "builtins",
];

/// Packages of Keras' own sources; the part behind must be one of the kinds of [`MODULES`].
const SOURCES: [&str; 4] = ["keras.src.", "keras.engine", "keras.api.", "tensorflow.python.keras."];
const PARTS: [&str; 16] = [
    "layers",
    "models",
    "activations",
    "initializers",
    "regularizers",
    "constraints",
    "losses",
    "metrics",
    "optimizers",
    "dtype_policies",
    "quantizers",
    "engine",
    "random",
    "mixed_precision",
    "input_layer",
    "functional",
];

/// Classes of layers and their parts. What is not here may be somebody's own.
const CLASSES: &str = "Sequential Functional Model InputLayer Input Dense EinsumDense Activation Embedding Masking Identity \
    Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose Convolution1D Convolution2D Convolution3D \
    SeparableConv1D SeparableConv2D DepthwiseConv1D DepthwiseConv2D MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D \
    AveragePooling2D AveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GlobalAveragePooling1D \
    GlobalAveragePooling2D GlobalAveragePooling3D AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveMaxPooling1D \
    AdaptiveMaxPooling2D LSTM GRU SimpleRNN RNN LSTMCell GRUCell SimpleRNNCell StackedRNNCells TimeDistributed Bidirectional \
    ConvLSTM1D ConvLSTM2D ConvLSTM3D BatchNormalization LayerNormalization UnitNormalization GroupNormalization \
    SpectralNormalization RMSNormalization Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianDropout AlphaDropout \
    GaussianNoise ActivityRegularization MultiHeadAttention GroupedQueryAttention Attention AdditiveAttention Reshape Flatten \
    RepeatVector Permute Cropping1D Cropping2D Cropping3D UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D \
    ZeroPadding3D Concatenate Average Maximum Minimum Add Subtract Multiply Dot ReLU Softmax LeakyReLU PReLU ELU ThresholdedReLU \
    Normalization Discretization CategoryEncoding Hashing HashedCrossing StringLookup IntegerLookup TextVectorization Rescaling \
    Resizing CenterCrop RandomCrop RandomFlip RandomRotation RandomTranslation RandomZoom RandomContrast RandomBrightness \
    DTypePolicy FloatDTypePolicy Policy QuantizedDTypePolicy DTypePolicyMap \
    GlorotUniform GlorotNormal HeUniform HeNormal LecunUniform LecunNormal Zeros Ones Constant RandomNormal RandomUniform \
    TruncatedNormal VarianceScaling Orthogonal OrthogonalInitializer Identity IdentityInitializer STFT SeedGenerator \
    L1 L2 L1L2 OrthogonalRegularizer MaxNorm NonNeg UnitNorm MinMaxNorm \
    Adam AdamW Adamax Adadelta Adagrad Adafactor Nadam SGD RMSprop Ftrl Lion Lamb Muon LossScaleOptimizer ExponentialDecay \
    PiecewiseConstantDecay PolynomialDecay InverseTimeDecay CosineDecay CosineDecayRestarts \
    BinaryCrossentropy CategoricalCrossentropy SparseCategoricalCrossentropy BinaryFocalCrossentropy CategoricalFocalCrossentropy \
    MeanSquaredError MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredLogarithmicError CosineSimilarity Huber LogCosh \
    Poisson KLDivergence Hinge SquaredHinge CategoricalHinge Dice Tversky \
    Accuracy BinaryAccuracy CategoricalAccuracy SparseCategoricalAccuracy TopKCategoricalAccuracy SparseTopKCategoricalAccuracy \
    Precision Recall AUC F1Score FBetaScore R2Score MeanIoU IoU BinaryIoU OneHotIoU OneHotMeanIoU RootMeanSquaredError Mean Sum \
    TruePositives TrueNegatives FalsePositives FalseNegatives SensitivityAtSpecificity SpecificityAtSensitivity \
    PrecisionAtRecall RecallAtPrecision MeanMetricWrapper LossFunctionWrapper CompileMetrics \
    __tuple__ __tensor__ __numpy__ __keras_tensor__ __ellipsis__ __slice__ __bytes__ TensorShape slice tuple dtype TypeSpec \
    GetItem NotEqual Cast MultiHeadAttention";

/// Judges every class in a configuration, and says how many there are.
pub(crate) fn judge(scan: &mut Scan, path: &str, offset: u64, value: &Json) -> usize {
    let mut classes = 0;
    value.objects(&mut |object| {
        // A name that stands twice is read in its last place by Python, and in another by others: all count.
        let named = |wanted: &str| -> Vec<&str> {
            object.entries().iter().filter(|(name, _)| name == wanted).filter_map(|(_, value)| value.text()).collect()
        };
        let names = named("class_name");
        if names.is_empty() || object.get("config").is_none() {
            return;
        }
        classes += 1;
        names.iter().for_each(|name| class(scan, path, offset, object, name));
        named("module").iter().for_each(|name| module(scan, path, offset, name));
        for name in named("registered_name") {
            if let Some((package, _)) =
                name.split_once('>').filter(|(package, _)| *package != "keras" && *package != "builtins")
            {
                let reason = format!("it names `{}`, registered by `{}`", shown(name), shown(package));
                scan.found(&rules::KERAS_CLASS, path, offset, reason);
            }
        }
    });
    classes
}

/// The pieces in which bytes are searched for configurations.
const PIECE: usize = 1 << 20;

/// Longest configuration in other bytes.
const MAX_CONFIG: usize = 16 << 20;

/// Judges every configuration that stands anywhere in bytes, and says how many classes they name.
pub(crate) fn anywhere(scan: &mut Scan, path: &str, source: &dyn Source) -> io::Result<usize> {
    let (mut at, mut classes, mut after, mut told) = (0_u64, 0, 0_u64, false);
    // Bytes may be made to begin like JSON very often, each time with a long way to go.
    let mut left = source.size().saturating_mul(4).saturating_add(MAX_CONFIG as u64 * 4);
    while at < source.size() {
        // A little of the next piece is seen with each, so that nothing begins between two.
        let piece = bytes(source, at, PIECE + 64)?;
        for place in 0..piece.len().min(PIECE) {
            let here = at + place as u64;
            if here < after || piece.get(place) != Some(&b'{') || !begins(piece.get(place..).unwrap_or_default()) {
                continue;
            }
            match config(source, here, &mut left)? {
                Config::Read(value, length) => {
                    classes += judge(scan, path, here, &value);
                    after = here + length as u64;
                }
                Config::Broken(why) if !told => {
                    told = true;
                    let place = format!("what begins like a configuration at byte {here}");
                    scan.unread(path, format!("{place} cannot be read: {why}"));
                }
                Config::Broken(_) | Config::None => {}
            }
        }
        at += piece.len().clamp(1, PIECE) as u64;
    }
    Ok(classes)
}

/// Whether an object of JSON may begin here.
fn begins(rest: &[u8]) -> bool {
    rest.iter().skip(1).find(|byte| !byte.is_ascii_whitespace()) == Some(&b'"')
}

/// What a bracket begins.
enum Config {
    /// JSON, and how long it is.
    Read(Json, usize),
    /// Something that begins like JSON, and Python may read as such.
    Broken(&'static str),
    None,
}

/// The JSON that begins here, if it is some.
fn config(source: &dyn Source, at: u64, left: &mut u64) -> io::Result<Config> {
    let mut most = 4096;
    loop {
        let text = bytes(source, at, most)?;
        let read = json::parse(&text);
        let tried = read.as_ref().map_or_else(|bad| if bad.cut { text.len() } else { bad.at }, |(_, end)| *end) as u64;
        let enough = || source::bad("more in it begins like a configuration than is looked at");
        *left = left.checked_sub(tried).ok_or_else(enough)?;
        match read {
            Ok((value, length)) => return Ok(Config::Read(value, length)),
            Err(bad) if bad.cut && text.len() == most && most < MAX_CONFIG => most *= 16,
            Err(bad) => {
                let seen = text.get(..bad.at).unwrap_or(&text);
                let named = seen.windows(10).any(|name| name == b"class_name");
                return Ok(if named || json::begins_object(&text) { Config::Broken(bad.why) } else { Config::None });
            }
        }
    }
}

fn class(scan: &mut Scan, path: &str, offset: u64, object: &Json, name: &str) {
    let bare = name.rsplit('>').next().unwrap_or(name);
    let config = object.get("config");
    if CODE.contains(&bare) {
        scan.found(&rules::KERAS_CODE, path, offset, format!("it has a layer `{}`", shown(name)));
    } else if bare == "function" || bare == "type" {
        let of = config.and_then(Json::text).unwrap_or("?");
        scan.found(
            &rules::KERAS_CLASS,
            path,
            offset,
            format!("it names the function `{}`, which somebody has to supply", shown(of)),
        );
    } else if !CLASSES.split_ascii_whitespace().any(|known| known == bare) {
        scan.found(
            &rules::KERAS_CLASS,
            path,
            offset,
            format!("it names the class `{}`, which is none of Keras' own that are known", shown(name)),
        );
    }
    // These read the words that they know from a file when they are given its path.
    if ["StringLookup", "IntegerLookup", "TextVectorization"].contains(&bare) {
        let words = config.map(Json::entries).unwrap_or_default();
        for (_, words) in words.iter().filter(|(name, _)| name == "vocabulary") {
            if let Some(place) = words.text() {
                let reason = format!("`{}` reads the file `{}` when it is loaded", shown(name), shown(place));
                scan.found(&rules::KERAS_CODE, path, offset, reason);
            }
        }
    }
    // Marshalled code in a configuration, whatever the class is called.
    let code = |value: &Json| {
        let first = value.items().first().and_then(Json::text);
        first.is_some_and(|text| {
            text.len() > 40 && (text.starts_with("4wA") || text.starts_with("4wE") || text.starts_with("4wI"))
        })
    };
    if config.is_some_and(|config| config.entries().iter().any(|(_, value)| code(value))) {
        scan.found(
            &rules::KERAS_CODE,
            path,
            offset,
            format!("the configuration of `{}` holds compiled Python", shown(name)),
        );
    }
}

fn module(scan: &mut Scan, path: &str, offset: u64, name: &str) {
    let own = SOURCES.iter().find_map(|start| name.strip_prefix(start));
    let part = own.map(|rest| rest.trim_start_matches('.').split('.').next().unwrap_or_default());
    let known = MODULES.contains(&name) || part.is_some_and(|part| part.is_empty() || PARTS.contains(&part));
    if !known {
        scan.found(&rules::KERAS_MODULE, path, offset, format!("it takes a class from `{}`", shown(name)));
    }
}
