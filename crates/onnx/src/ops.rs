//! The operators, one line each. To add one: write a function in the file of its family that takes the attributes
//! and returns a kernel, and add its line to [`OPERATORS`].

mod arithmetic;
mod cast;
mod compare;
mod encode;
mod gather;
mod linear;
mod matmul;
mod normalize;
mod reduce;
mod scan;
mod scores;
mod shape;
mod svm;
mod topk;
mod tree;
mod unary;
mod vector;
mod walk;

use crate::attributes::Attributes;
use crate::budget::Budget;
use crate::error::{Problem, Refusal};
use crate::plan::Context;
use crate::tensor::{Element, Tensor};

/// A node ready to run: attributes unpacked, tables built. Answers one tensor per output.
pub(crate) type Kernel = Box<dyn Fn(&Args<'_>) -> Result<Vec<Tensor>, Problem> + Send + Sync>;
/// What building a kernel answers; a problem here refuses the model.
pub(crate) type Built = Result<Kernel, Problem>;

/// Boxes a kernel with one output.
fn kernel(run: impl Fn(&Args<'_>) -> Result<Tensor, Problem> + Send + Sync + 'static) -> Built {
    Ok(Box::new(move |args| Ok(vec![run(args)?])))
}

pub(crate) const ML: &str = "ai.onnx.ml";
const MANY: usize = usize::MAX;

pub(crate) struct Operator {
    domain: &'static str,
    name: &'static str,
    /// The first operator set version whose form of the operator is implemented.
    since: i64,
    /// Fewest and most inputs.
    inputs: (usize, usize),
    /// Most outputs.
    outputs: usize,
    pub build: fn(&mut Attributes<'_>) -> Built,
}

const fn op(
    name: &'static str,
    since: i64,
    inputs: (usize, usize),
    build: fn(&mut Attributes<'_>) -> Built,
) -> Operator {
    Operator { domain: "", name, since, inputs, outputs: 1, build }
}

const fn ml(
    name: &'static str,
    inputs: (usize, usize),
    outputs: usize,
    build: fn(&mut Attributes<'_>) -> Built,
) -> Operator {
    Operator { domain: ML, name, since: 1, inputs, outputs, build }
}

const fn many(operator: Operator, outputs: usize) -> Operator {
    Operator { outputs, ..operator }
}

/// Every operator this crate runs.
#[rustfmt::skip]
const OPERATORS: &[Operator] = &[
    op("Abs", 6, (1, 1), unary::abs),
    op("Add", 7, (2, 2), arithmetic::add),
    op("And", 7, (2, 2), compare::and),
    op("ArgMax", 1, (1, 1), reduce::arg_max),
    op("ArgMin", 1, (1, 1), reduce::arg_min),
    op("Cast", 6, (1, 1), cast::cast),
    op("Ceil", 6, (1, 1), unary::ceil),
    op("Clip", 11, (1, 3), arithmetic::clip),
    op("Concat", 4, (1, MANY), gather::concat),
    op("Constant", 1, (0, 0), shape::constant),
    op("ConstantOfShape", 9, (1, 1), shape::constant_of_shape),
    op("CumSum", 11, (2, 2), reduce::cumulative_sum),
    op("Div", 7, (2, 2), arithmetic::div),
    op("Equal", 7, (2, 2), compare::equal),
    op("Exp", 6, (1, 1), unary::exp),
    op("Expand", 8, (2, 2), gather::expand),
    op("Flatten", 1, (1, 1), shape::flatten),
    op("Floor", 6, (1, 1), unary::floor),
    op("Gather", 1, (2, 2), gather::gather),
    op("GatherElements", 11, (2, 2), gather::gather_elements),
    op("Gemm", 7, (2, 3), matmul::gemm),
    op("Greater", 7, (2, 2), compare::greater),
    op("GreaterOrEqual", 12, (2, 2), compare::greater_or_equal),
    op("Identity", 1, (1, 1), shape::identity),
    op("IsInf", 10, (1, 1), compare::is_inf),
    op("IsNaN", 9, (1, 1), compare::is_nan),
    op("LeakyRelu", 6, (1, 1), unary::leaky_relu),
    op("Less", 7, (2, 2), compare::less),
    op("LessOrEqual", 12, (2, 2), compare::less_or_equal),
    op("Log", 6, (1, 1), unary::log),
    op("LogSoftmax", 13, (1, 1), normalize::log_softmax),
    op("MatMul", 1, (2, 2), matmul::matmul),
    op("Max", 8, (1, MANY), arithmetic::max),
    op("Mean", 8, (1, MANY), arithmetic::mean),
    op("Min", 8, (1, MANY), arithmetic::min),
    op("Mul", 7, (2, 2), arithmetic::mul),
    op("Neg", 6, (1, 1), unary::neg),
    op("Not", 1, (1, 1), compare::not),
    op("Or", 7, (2, 2), compare::or),
    op("Pow", 7, (2, 2), arithmetic::pow),
    op("Reciprocal", 6, (1, 1), unary::reciprocal),
    op("ReduceL1", 1, (1, 2), reduce::l1),
    op("ReduceL2", 1, (1, 2), reduce::l2),
    op("ReduceLogSum", 1, (1, 2), reduce::log_sum),
    op("ReduceLogSumExp", 1, (1, 2), reduce::log_sum_exp),
    op("ReduceMax", 1, (1, 2), reduce::max),
    op("ReduceMean", 1, (1, 2), reduce::mean),
    op("ReduceMin", 1, (1, 2), reduce::min),
    op("ReduceProd", 1, (1, 2), reduce::prod),
    op("ReduceSum", 1, (1, 2), reduce::sum),
    op("ReduceSumSquare", 1, (1, 2), reduce::sum_square),
    op("Relu", 6, (1, 1), unary::relu),
    op("Reshape", 5, (2, 2), shape::reshape),
    op("Round", 11, (1, 1), unary::round),
    many(op("Scan", 9, (1, MANY), scan::scan), MANY),
    op("Shape", 1, (1, 1), shape::shape),
    op("Sigmoid", 6, (1, 1), unary::sigmoid),
    op("Sign", 9, (1, 1), unary::sign),
    op("Size", 1, (1, 1), shape::size),
    op("Slice", 10, (3, 5), gather::slice),
    op("Softmax", 13, (1, 1), normalize::softmax),
    op("Softplus", 1, (1, 1), unary::softplus),
    op("Sqrt", 6, (1, 1), unary::sqrt),
    op("Squeeze", 1, (1, 2), shape::squeeze),
    op("Sub", 7, (2, 2), arithmetic::sub),
    op("Sum", 8, (1, MANY), arithmetic::sum),
    op("Tanh", 6, (1, 1), unary::tanh),
    many(op("TopK", 10, (2, 2), topk::top_k), 2),
    op("Transpose", 1, (1, 1), gather::transpose),
    op("Unsqueeze", 1, (1, 2), shape::unsqueeze),
    op("Where", 9, (3, 3), compare::r#where),
    op("Xor", 7, (2, 2), compare::xor),
    ml("ArrayFeatureExtractor", (2, 2), 1, vector::array_feature_extractor),
    ml("Binarizer", (1, 1), 1, vector::binarizer),
    ml("FeatureVectorizer", (1, MANY), 1, vector::feature_vectorizer),
    ml("Imputer", (1, 1), 1, vector::imputer),
    ml("LabelEncoder", (1, 1), 1, encode::label_encoder),
    ml("LinearClassifier", (1, 1), 2, linear::classifier),
    ml("LinearRegressor", (1, 1), 1, linear::regressor),
    ml("Normalizer", (1, 1), 1, normalize::normalizer),
    ml("OneHotEncoder", (1, 1), 1, encode::one_hot_encoder),
    ml("Scaler", (1, 1), 1, vector::scaler),
    ml("SVMClassifier", (1, 1), 2, svm::classifier),
    ml("SVMRegressor", (1, 1), 1, svm::regressor),
    ml("TreeEnsembleClassifier", (1, 1), 2, tree::classifier),
    ml("TreeEnsembleRegressor", (1, 1), 1, tree::regressor),
    ml("ZipMap", (1, 1), 1, scores::zip_map),
];

/// An operator's name with its domain, as messages and [`crate::Model::operators`] show it.
pub(crate) fn qualified(domain: &str, name: &str) -> String {
    match domain {
        "" | "ai.onnx" => name.to_owned(),
        domain => format!("{domain}::{name}"),
    }
}

/// The implementation of an operator, and the version of its operator set that the model imports.
pub(crate) fn find(domain: &str, name: &str, context: &Context) -> Result<(&'static Operator, i64), Refusal> {
    let domain = if domain == "ai.onnx" { "" } else { domain };
    let known = OPERATORS.iter().find(|operator| operator.domain == domain && operator.name == name);
    let Some(operator) = known else {
        let all: Vec<String> = OPERATORS.iter().map(|operator| qualified(operator.domain, operator.name)).collect();
        return Err(Refusal::Operator { name: qualified(domain, name), supported: all.join(", ") });
    };
    let shown = if domain.is_empty() { "ai.onnx" } else { domain };
    match context.opsets.get(domain) {
        None => Err(Refusal::Missing("import of the operator set its nodes use")),
        Some(&version) if version < operator.since => Err(Refusal::OperatorSet {
            domain: shown.to_owned(),
            version,
            supported: format!("{} and later for operator `{name}`", operator.since),
        }),
        Some(&version) => Ok((operator, version)),
    }
}

impl Operator {
    /// Checks how many inputs and outputs a node lists.
    pub fn accepts(&self, attributes: &Attributes<'_>) -> Result<(), Problem> {
        let (fewest, most) = self.inputs;
        if attributes.inputs < fewest || attributes.inputs > most {
            return Err(Problem::new(format!(
                "it lists {} inputs, and the operator does not take that many",
                attributes.inputs
            )));
        }
        if attributes.outputs > self.outputs {
            return Err(Problem::new(format!("it lists {} outputs, supported: {}", attributes.outputs, self.outputs)));
        }
        Ok(())
    }
}

/// What a kernel gets: its inputs and the run's budget.
pub(crate) struct Args<'a> {
    inputs: &'a [Option<&'a Tensor>],
    pub budget: &'a Budget,
}

impl<'a> Args<'a> {
    pub fn new(inputs: &'a [Option<&'a Tensor>], budget: &'a Budget) -> Self {
        Self { inputs, budget }
    }

    /// The input at `at`, which the operator cannot do without.
    pub fn tensor(&self, at: usize) -> Result<&'a Tensor, Problem> {
        self.maybe(at).ok_or_else(|| Problem::new(format!("input {at} is absent")))
    }

    /// The input at `at`, if the node gives it.
    pub fn maybe(&self, at: usize) -> Option<&'a Tensor> {
        self.inputs.get(at).copied().flatten()
    }

    /// All inputs of an operator that takes any number.
    pub fn all(&self) -> Result<Vec<&'a Tensor>, Problem> {
        (0..self.inputs.len()).map(|at| self.tensor(at)).collect()
    }

    /// The values of the input at `at`, which must have type `T`.
    pub fn values<T: Element>(&self, at: usize) -> Result<&'a [T], Problem> {
        let tensor = self.tensor(at)?;
        T::of(tensor.data()).ok_or_else(|| expected(T::TYPE.as_str(), at, tensor))
    }
}

/// The problem that an input does not have a type the operator computes with.
fn expected(what: &str, at: usize, tensor: &Tensor) -> Problem {
    Problem::new(format!("input {at} must be {what}, got {} of shape {:?}", tensor.datatype(), tensor.shape()))
}

/// `axis` counted from the front; negative axes count from the back.
fn axis(axis: i64, rank: usize) -> Result<usize, Problem> {
    let from_front = if axis < 0 { axis.checked_add_unsigned(rank as u64) } else { Some(axis) };
    let found = from_front.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| axis < rank);
    found.ok_or_else(|| Problem::new(format!("axis {axis} is outside a tensor of {rank} dimensions")))
}
